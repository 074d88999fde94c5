"""``csakit bench attention``: the operator alone, over holes, sizes, types and devices."""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from ..plugins.architectures import device_architectures
from ..plugins.errors import ExitCode
from ..plugins.spec import SIMILARITIES
from .attention.forms import HOST, NAMES, find_forms
from .attention.problems import DTYPES, Case

_Value = TypeVar("_Value")

# 225 are the published hole; of 1024 of 32x32 positions nothing is known, so nothing is filled.
HOLES: Final = (1, 8, 32, 128, 225, 512, 768, 1024)
BATCHES: Final = (1, 16)
_EPILOG: Final = """\
exit codes: 0 done; 1 a rival computes something else; 2 wrong usage; 3 no GPU, or not built.
Missed targets are stated and fail nothing.
"""


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark to the command."""
    parser = benchmarks.add_parser(
        "attention",
        help="the attention operator alone, in all its forms, by number of holes",
        description="Check every form of the operator against the oracle, then time them in turn.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    numbers = _listed(int)
    parser.add_argument("--holes", type=numbers, default=HOLES, metavar="LIST", help=_help(HOLES))
    parser.add_argument("--channels", type=int, default=512, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=32, help="positions; default: %(default)s")
    parser.add_argument(
        "--batch", type=numbers, default=(1, 16), metavar="LIST", help="default: 1,16"
    )
    parser.add_argument(
        "--dtype", type=_listed(str), default=DTYPES, metavar="LIST", help=_help(DTYPES)
    )
    parser.add_argument("--similarity", choices=SIMILARITIES, default="projection")
    parser.add_argument(
        "--rivals",
        type=_listed(str),
        metavar="LIST",
        help=f"of {', '.join(NAMES)} (default: all that can run here)",
    )
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of timing, each case; default: %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    parser.set_defaults(work=_attention)


def _attention(args: argparse.Namespace) -> int:
    """Measure, print, and write the record."""
    cases = [
        Case(
            holes=holes,
            batch=batch,
            channels=args.channels,
            side=args.side,
            dtype=dtype,
            similarity=args.similarity,
        )
        for dtype in args.dtype
        for batch in args.batch
        for holes in args.holes
    ]
    names = args.rivals or (NAMES if device_architectures() else HOST)
    if names is HOST:
        print("no CUDA device: the forms that need one are left out", file=sys.stderr)
    from .attention.goals import goals  # deferred, as below: what is wrong above is said at once
    from .attention.measure import Plan, measure
    from .attention.report import report
    from .record_file import write_record

    forms = find_forms(names, args.threads)
    plan = Plan(cases=cases, forms=forms, seconds=args.seconds, threads=args.threads)
    record = measure(plan, lambda line: print(line, file=sys.stderr, flush=True))
    if any(form.on_gpu for form in forms):
        record = dataclasses.replace(record, checks=(*record.checks, *goals(record)))
    print("\n".join(report(record)))
    if args.json is not None:
        write_record(record, args.json)
        print(f"wrote {args.json}")
    failed = any(check.outcome == "failed" for check in record.checks)
    return ExitCode.CHECK_FAILED if failed else ExitCode.OK


def _listed(kind: Callable[[str], _Value]) -> Callable[[str], tuple[_Value, ...]]:
    """Read "1,8,32", each once."""

    def read(text: str) -> tuple[_Value, ...]:
        return tuple(dict.fromkeys(kind(word.strip()) for word in text.split(",")))

    read.__name__ = f"list of {kind.__name__}"  # argparse names it where a word is no number
    return read


def _help(values: tuple[object, ...]) -> str:
    return f"default: {','.join(map(str, values))}"
