"""``csakit bench training``: parse, measure, print."""

import argparse

from .targets_cli import report


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark to the command."""
    training = benchmarks.add_parser(
        "training",
        help="a training step with CSA beside one without, at full width; minutes, and 5 GB",
        description="Measure what CSA costs in training. Exit code 1 when it is too much.",
    )
    training.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    training.set_defaults(work=_training)


def _training(args: argparse.Namespace) -> int:
    from .training import measure  # deferred: imports torch

    return report(measure(args.threads))
