"""``csakit bench plot``: draw a record."""

import argparse
from pathlib import Path

from ..plugins.errors import ExitCode
from .plot import plot
from .record_file import read_record


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the drawing to the command."""
    parser = benchmarks.add_parser(
        "plot",
        help="a latency record as PNG or SVG: against holes, distributions, accuracy",
        description="Draw a latency record: medians against the hole ratio, every sample as a "
        "distribution, and accuracy against latency. Needs the extra 'bench'.",
    )
    parser.add_argument("record", type=Path, metavar="RECORD.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.png|svg")
    parser.set_defaults(work=_plot)


def _plot(args: argparse.Namespace) -> int:
    plot(read_record(args.record), args.output)
    print(f"wrote {args.output}")
    return ExitCode.OK
