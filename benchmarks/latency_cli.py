"""``csakit bench latency``: parse, measure, print, record."""

import argparse
import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..plugins.errors import ContractError, ExitCode
from ..runtime.files.atomic import staged
from .latency.backends import BACKENDS, LOOP, USUAL
from .latency.plan import CENTRE, QUICK, Plan

Item = TypeVar("Item")

_EPILOG = f"""\
backends:
{chr(10).join(f"  {name:<18} {backend.what}" for name, backend in BACKENDS.items())}

{LOOP} is always among them: it is what users come from. A backend that cannot run here is listed
with the reason. Exit code 1 when a rival computes something else than the torch model.
"""


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark to the command."""
    parser = benchmarks.add_parser(
        "latency",
        help="whole models: rivals in their own processes, taking turns, checked and timed",
        description="Time rivals on real photographs and masks, each in a process of its own on "
        "the same processors, taking turns. Their results are compared with the torch model's "
        "first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help=".safetensors checkpoints, from which needed files are exported, and .onnx files of "
        "theirs (default: the demo model)",
    )
    parser.add_argument(
        "--width", type=int, help="instead: a model of this width with random weights"
    )
    for name, what in (
        ("backends", f"default: {','.join(USUAL)}"),
        ("sizes", "sides in pixels, for example 256,512"),
        ("batches", "images a call, for example 1,4"),
        ("hole-ratios", f"{CENTRE!r}, or shares of the image, for example {CENTRE},0,0.1,0.6"),
    ):
        parser.add_argument(f"--{name}", metavar="LIST", help=what)
    parser.add_argument("--threads", type=int, help="of every rival (default: one per core)")
    parser.add_argument("--rounds", type=int, help=f"default: {Plan.rounds}")
    parser.add_argument("--calls", type=int, help=f"timed, a turn (default: {Plan.calls})")
    parser.add_argument(
        "--cold-starts", type=int, help=f"fresh processes of each (default: {Plan.cold_starts})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="everything once, for its correctness; in a minute"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the record")
    parser.set_defaults(work=_latency)


def _latency(args: argparse.Namespace) -> int:
    plan = _plan(args)
    if args.width is not None and args.models:
        raise ContractError("give either --models or --width, not both")
    from .latency.run import measure  # deferred: imports torch
    from .latency.subjects import random_subject, read_subjects
    from .latency_report import text
    from .record_file import write_record

    # Opened first: a record that cannot be written is refused before the work.
    reserved = staged(args.json) if args.json else contextlib.nullcontext()
    with reserved as output, tempfile.TemporaryDirectory(prefix="csakit-bench-") as name:
        folder = Path(name)
        if args.width is None:
            subjects = read_subjects(args.models)
        else:
            subjects = [random_subject(args.width, folder)]
        record = measure(subjects, plan, folder, _say)
        if output:
            write_record(record, output)
    print(text(record))
    return ExitCode.OK


def _plan(args: argparse.Namespace) -> Plan:
    given = {
        "backends": _listed(args.backends, str, "--backends"),
        "sizes": _listed(args.sizes, int, "--sizes"),
        "batches": _listed(args.batches, int, "--batches"),
        "holes": _listed(args.hole_ratios, str, "--hole-ratios"),
        "threads": args.threads,
        "rounds": args.rounds,
        "calls": args.calls,
        "cold_starts": args.cold_starts,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(QUICK if args.quick else Plan(), **stated)


def _listed(text: str | None, kind: Callable[[str], Item], option: str) -> tuple[Item, ...] | None:
    if text is None:
        return None
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise ContractError(f"{option} must be numbers, comma-separated; got {text!r}") from error


def _say(progress: str) -> None:
    print(f"csakit bench: {progress}", file=sys.stderr, flush=True)
