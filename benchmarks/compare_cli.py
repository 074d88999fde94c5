"""``csakit bench compare``: read two records, print the ratios, exit code 1 on a regression."""

import argparse
from pathlib import Path

from ..plugins.errors import ExitCode
from .compare import LIMIT, Comparison, compare, describe
from .record_file import read_record


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the comparison to the command."""
    parser = benchmarks.add_parser(
        "compare",
        help="two records: ratios with their confidence; fails on a regression",
        description="Compare two records case by case. A case has regressed when even the lower "
        "end of the 95 % interval of its ratio is above the limit; exit code 1 then.",
    )
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="of B to A (default: %(default)s)"
    )
    parser.add_argument(
        "--relative-to",
        metavar="RIVAL",
        help="divide by what this rival took in the same run, so that a slower machine is no "
        "slower rival; for example torch-python-loop",
    )
    parser.set_defaults(work=_compare)


def _compare(args: argparse.Namespace) -> int:
    before, after = read_record(args.before), read_record(args.after)
    comparison = compare(before, after, limit=args.limit, relative_to=args.relative_to)
    _print(comparison)
    return ExitCode.CHECK_FAILED if comparison.regressed else ExitCode.OK


def _print(comparison: Comparison) -> None:
    print(f"{'A p50 ms':>10} {'B p50 ms':>10}  {'B / A':<22} case")
    for change in comparison.changes:
        verdict = f"  REGRESSED beyond {change.limit:g}" if change.regressed else ""
        ratio = f"{change.ratio.value:.3f} ({change.ratio.low:.3f}-{change.ratio.high:.3f})"
        print(
            f"{change.before.summary.p50_ms:>10.3f} {change.after.summary.p50_ms:>10.3f}  "
            f"{ratio:<22} {describe(change.after)}{verdict}"
        )
    for name, only in (("A", comparison.only_before), ("B", comparison.only_after)):
        for measured in only:
            print(f"only in {name}: {describe(measured)}")
    for note in comparison.notes:
        print(f"note: {note}")
    count = sum(change.regressed for change in comparison.changes)
    print(f"{count} of {len(comparison.changes)} cases regressed" if count else "no regression")
