"""``csakit bench cold-start``: parse, measure, print."""

import argparse

from .targets_cli import report


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark to the command."""
    cold_start = benchmarks.add_parser(
        "cold-start",
        help="csakit inpaint from prompt to file: time, memory, and the rate of folders; minutes",
        description="Measure starts, memory and folder runs. Exit code 1 when a target is missed.",
    )
    cold_start.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    cold_start.set_defaults(work=_cold_start)


def _cold_start(args: argparse.Namespace) -> int:
    from .cold_start import measure  # deferred: imports torch

    return report(measure(args.threads))
