"""``csakit bench targets``: parse, measure, print."""

import argparse

from ..plugins.errors import ExitCode


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark to the command."""
    targets = benchmarks.add_parser(
        "targets",
        help="the stated targets of the CPU path beside what is measured here",
        description="Measure every stated target of the CPU path. Exit code 1 when one is missed.",
    )
    targets.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    targets.set_defaults(work=_targets)


def _targets(args: argparse.Namespace) -> int:
    from .targets import measure  # deferred: imports torch

    missed = 0
    for measured in measure(args.threads):
        missed += not measured.met
        print(
            f"{'met   ' if measured.met else 'MISSED'} {measured.what}\n"
            f"       target: {measured.target}\n"
            f"       found:  {measured.found}",
            flush=True,
        )
    return ExitCode.CHECK_FAILED if missed else ExitCode.OK
