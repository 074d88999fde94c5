"""``csakit bench targets``: parse, measure, print."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..plugins.errors import ExitCode

if TYPE_CHECKING:
    from .targets import Measured


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

    return report(measure(args.threads))


def report(found: "Iterable[Measured]") -> int:
    """Print each target beside what was found.

    Args:
        found: one target after the other, as it is measured.

    Returns:
        The exit code, which says whether all were met.
    """
    missed = 0
    for measured in found:
        missed += not measured.met
        print(
            f"{'met   ' if measured.met else 'MISSED'} {measured.what}\n"
            f"       target: {measured.target}\n"
            f"       found:  {measured.found}",
            flush=True,
        )
    return ExitCode.CHECK_FAILED if missed else ExitCode.OK
