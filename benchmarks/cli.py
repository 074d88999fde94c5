"""``csakit bench``: parse, call one function, print its results."""

import argparse
import contextlib
import dataclasses
import importlib
import itertools
import json
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from ..plugins.architectures import device_architectures
from ..plugins.errors import ContractError, ExitCode
from ..plugins.spec import SIMILARITIES
from ..runtime.cli.command import run_command
from ..runtime.files.atomic import atomic_write
from ..runtime.options import EngineOptions
from . import report
from .attention.cases import DTYPES, Case
from .attention.implementations import HOST, NAMES
from .compare import LIMIT, compare
from .latency.backends import BACKENDS, BASELINE, USUAL
from .latency.plan import CENTRE, QUICK, Plan
from .record import read_record, write_record

_Value = TypeVar("_Value")
Add = Callable[..., Any]  # adds an argument to a command
Work = Callable[[argparse.Namespace], int]

# 225 is the published hole; 1024 is all of 32x32, where nothing is known and nothing is filled.
HOLES: Final = (1, 8, 32, 128, 225, 512, 768, 1024)
_ATTENTION_EPILOG: Final = """\
exit codes: 0 done; 1 a backend differs from the oracle; 2 wrong usage; 3 no GPU, or not built.
Missed targets are reported, and do not change the exit code.
"""
_LATENCY_EPILOG: Final = f"""\
backends:
{chr(10).join(f"  {name:<18} {backend.description}" for name, backend in BACKENDS.items())}

{BASELINE}, the baseline, always runs. Results are compared with those of the torch
model on real photographs and masks. A backend that cannot run here is listed with the
reason. Exit code 1 when the results of a backend differ from the torch model's.
"""
_TARGETS: Final = {  # benchmark: what it measures
    "training": "a training step with CSA and without, at full width; takes minutes, and 5 GB",
    "cold-start": "csakit inpaint from start to file: time, memory, rate of folders; takes minutes",
    "targets": "the stated targets of the CPU path on this machine",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="csakit bench", description="Measure csakit.")
    commands = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")

    def command(name: str, work: Work, text: str, description: str, epilog: str = "") -> Add:
        made = commands.add_parser(
            name,
            help=text,
            description=textwrap.fill(description, 96),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(work=work)
        return made.add_argument

    text = "whole models: backends in their own processes, interleaved, checked and timed"
    _add_latency(command("latency", _latency, text, f"Measure {text}.", _LATENCY_EPILOG))
    text = "the attention operator alone, in all implementations, by number of holes"
    _add_attention(
        command("attention", _attention, text, f"Check and time {text}.", _ATTENTION_EPILOG)
    )
    for name, text in _TARGETS.items():
        add = command(name, _targets, text, f"Measure {text}. Exit code 1 when a target is missed.")
        add("--threads", type=int, default=2, help="default: %(default)s")
    text = "host time of a call of an engine beside its device time, at batch 1"
    add = command("overhead", _overhead, text, f"Measure {text}. Exit code 1 above the target.")
    add("engine", type=Path, metavar="FILE.engine")
    add("--gpu", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--calls", type=int, default=200, help="default: %(default)s")
    add("--binding", help="pycuda or cuda-python (default: what is installed)")
    add("--json", type=Path, metavar="FILE", help="write all samples")
    _add_readers(command)
    return run_command(parser, lambda args: args.work(args), arguments)


def _add_latency(add: Add) -> None:
    models = ".safetensors checkpoints, exported as needed, and .onnx files exported from "
    models += "them (default: the demo model)"
    text = "an .onnx or .engine file, timed alone: no checkpoint, no other backend, no comparison"
    add("model", nargs="?", type=Path, metavar="FILE", help=text)
    add("--models", nargs="+", type=Path, default=[], metavar="FILE", help=models)
    add("--width", type=int, help="use a model of this width with random weights")
    for name, kind, text in (
        ("backends", str, f"default: {','.join(USUAL)}"),
        ("sizes", int, "sides in pixels, for example 256,512"),
        ("batches", int, "images a call, for example 1,4"),
        ("hole-ratios", str, f"{CENTRE!r}, or shares of the image, as in {CENTRE},0,0.1,0.6"),
    ):
        dest = {"hole-ratios": "holes"}.get(name, name)
        add(f"--{name}", type=_listed(kind), metavar="LIST", help=text, dest=dest)
    add("--threads", type=int, help="threads of every backend (default: one per core)")
    add("--rounds", type=int, help=f"default: {Plan.rounds}")
    add("--calls", type=int, help=f"timed calls per round (default: {Plan.calls})")
    add("--cold-starts", type=int, help=f"processes per backend (default: {Plan.cold_starts})")
    text = "another network to time, with inputs named image and mask; repeatable"
    add("--external", action="append", type=Path, default=[], metavar="FILE.onnx", help=text)
    text = "also list the slowest layers of each .onnx file, by ONNX Runtime's profiler; for an "
    text += "engine, print the TensorRT command that lists them"
    add("--profile", action="store_true", help=text)
    add("--quick", action="store_true", help="run everything once, to check it; takes a minute")
    add("--json", type=Path, metavar="FILE", help="also write the record")


def _add_attention(add: Add) -> None:
    for name, kind, default in (
        ("holes", int, HOLES),
        ("batch", int, (1, 16)),
        ("dtype", str, DTYPES),
    ):
        text = f"default: {','.join(map(str, default))}"
        add(f"--{name}", type=_listed(kind), default=default, metavar="LIST", help=text)
    add("--channels", type=int, default=512, help="default: %(default)s")
    add("--side", type=int, default=32, help="positions per side; default: %(default)s")
    add("--similarity", choices=SIMILARITIES, default="projection")
    text = f"any of {', '.join(NAMES)} (default: all that can run here)"
    add("--backends", "--rivals", type=_listed(str), metavar="LIST", help=text)
    add("--threads", type=int, default=2, help="default: %(default)s")
    add("--seconds", type=float, default=2.0, help="seconds per case; default: %(default)s")
    add("--json", type=Path, metavar="FILE", help="write the record there, after every case")


def _add_readers(command: Callable[..., Add]) -> None:
    add = command(
        *("compare", _compare),
        "two records: ratios with their confidence; fails on a regression",
        "Compare two records case by case. A case has regressed when the lower end of the 95 % "
        "interval of its ratio is above the limit: exit code 1. Exit code 4 when none has but the "
        "limit lies inside some interval: measure more rounds.",
    )
    add("before", type=Path, metavar="A.json")
    add("after", type=Path, metavar="B.json")
    add("--limit", type=float, default=LIMIT, help="largest ratio of B to A (default: %(default)s)")
    text = "divide by the time of this backend in the same run, so that a slower machine does not "
    add("--relative-to", metavar="BACKEND", help=f"{text}count; for example {BASELINE}")
    add = command(
        *("plot", _plot),
        "a latency record as PNG or SVG: against holes, distributions, accuracy",
        "Draw a latency record: medians against the hole ratio, every sample as a distribution, "
        "and accuracy against latency. Needs the extra 'bench'.",
    )
    add("record", type=Path, metavar="RECORD.json")
    add("-o", "--output", type=Path, required=True, metavar="FILE.png|svg")
    add = command(
        *("table", _table),
        "latency records as Markdown, also into a document",
        "Print latency records as Markdown. With --into, update every table of a document between "
        "'<!-- benchmark: RECORD.json -->' and '<!-- end of benchmark -->' from the record that "
        "the mark names. A record given as well replaces the one that the document's only mark "
        "names.",
    )
    add("records", nargs="*", type=Path, metavar="RECORD.json")
    add("--into", type=Path, metavar="FILE.md", help="the document")
    add("--check", action="store_true", help="write nothing; exit code 1 when a table is stale")


def _latency(args: argparse.Namespace) -> int:
    fields = {field.name for field in dataclasses.fields(Plan)}
    stated = {name: x for name, x in vars(args).items() if name in fields and x is not None}
    plan = dataclasses.replace(QUICK if args.quick else Plan(), **stated)
    if sum((args.width is not None, bool(args.models), args.model is not None)) > 1:
        raise ContractError("give one of FILE, --models and --width")
    if args.model is not None and (args.external or args.backends):
        raise ContractError("FILE is timed alone; give --models for --backends and --external")
    from .latency.cases import make_cases  # deferred: import torch
    from .latency.models import random_model_source, read_alone, read_model_sources, stated_side
    from .latency.run import measure

    alone = [args.model] if args.model is not None else []
    models = [read_alone(path) for path in alone]
    given_files = [*args.external, *alone]
    sides = [side for path in given_files if (side := stated_side(path))]
    if sides and args.sizes is None:
        plan = dataclasses.replace(plan, sizes=tuple(dict.fromkeys(sides)))

    # Opened first, so that an unwritable record fails before the work.
    reserved = atomic_write(args.json) if args.json else contextlib.nullcontext()
    with reserved as output, tempfile.TemporaryDirectory(prefix="csakit-bench-") as name:
        folder = Path(name)
        if args.width is not None:
            models = [random_model_source(args.width, folder)]
        models = models or read_model_sources(args.models)
        models = [dataclasses.replace(model, external=tuple(args.external)) for model in models]
        record = measure(models, plan, folder, _progress)
        if output:
            write_record(record, output)
        print(report.text(record))
        if args.profile:
            from .latency.any_onnx import profile

            case = make_cases(plan)[0]
            for path in sorted({*folder.glob("*.onnx"), *args.models, *given_files}):
                if path.suffix != ".safetensors":
                    print(f"\n{profile(path, case.image, case.hole, plan.used_threads)}")
    return ExitCode.OK


def _attention(args: argparse.Namespace) -> int:
    same = {name: getattr(args, name) for name in ("channels", "side", "similarity")}
    cases = [
        Case(holes=holes, batch=batch, dtype=dtype, **same)
        for dtype, batch, holes in itertools.product(args.dtype, args.batch, args.holes)
    ]
    names = args.backends or (NAMES if device_architectures() else HOST)
    if names is HOST:
        print("no CUDA device: backends that need one are left out", file=sys.stderr)
    from .attention.report import text  # deferred: wrong arguments are reported at once
    from .attention.run import find_implementations, measure

    implementations = find_implementations(names, args.threads)
    for record in measure(cases, implementations, args.seconds, args.threads, _progress):
        if args.json is not None:
            write_record(record, args.json)
    print(text(record))
    if args.json is not None:
        print(f"wrote {args.json}")
    failed = any(check.outcome == "failed" for check in record.checks)
    return ExitCode.CHECK_FAILED if failed else ExitCode.OK


def _targets(args: argparse.Namespace) -> int:
    """Print each target and its measurement as soon as it is known."""
    name = args.benchmark.replace("-", "_")
    missed = 0
    for target in importlib.import_module(f".{name}", __package__).measure(args.threads):
        missed += not target.met
        print(target, flush=True)
    return ExitCode.CHECK_FAILED if missed else ExitCode.OK


def _overhead(args: argparse.Namespace) -> int:
    from .engine_overhead import TARGET_US, measure_engine

    options = EngineOptions(binding=args.binding)
    found = measure_engine(args.engine, number=args.gpu, calls=args.calls, options=options)
    print(found)
    if args.json is not None:
        value = {**vars(found), "overhead_us": found.overhead_us, "target_us": TARGET_US}
        args.json.write_text(json.dumps(value, indent=1) + "\n")
    return ExitCode.CHECK_FAILED if found.missed else ExitCode.OK


def _compare(args: argparse.Namespace) -> int:
    before, after = read_record(args.before), read_record(args.after)
    found = compare(before, after, limit=args.limit, relative_to=args.relative_to)
    print(found)
    return {
        "regressed": ExitCode.CHECK_FAILED,
        "inconclusive": ExitCode.INCONCLUSIVE,
        "unchanged": ExitCode.OK,
    }[found.verdict]


def _plot(args: argparse.Namespace) -> int:
    from .plot import plot

    plot(read_record(args.record), args.output)
    print(f"wrote {args.output}")
    return ExitCode.OK


def _table(args: argparse.Namespace) -> int:
    if args.into is None:
        if args.check or not args.records:
            raise ContractError("give records to print, or --into DOCUMENT (and --check)")
        for path in args.records:
            print(report.markdown(read_record(path)), end="")
        return ExitCode.OK
    if len(args.records) > (0 if args.check else 1):
        raise ContractError("--into takes one record, and --check takes none")
    changed = report.rewrite(args.into, *args.records, check=args.check)
    outcome = ("stale" if args.check else "updated") if changed else "up to date"
    print(f"{args.into}: {outcome}")
    return ExitCode.CHECK_FAILED if args.check and changed else ExitCode.OK


def _listed(kind: Callable[[str], _Value]) -> Callable[[str], tuple[_Value, ...]]:
    """Return an argument type for lists such as "1,8,32", without duplicates."""

    def read(text: str) -> tuple[_Value, ...]:
        return tuple(dict.fromkeys(kind(word.strip()) for word in text.split(",")))

    read.__name__ = f"list of {kind.__name__}"  # argparse names it where a word is no number
    return read


def _progress(line: str) -> None:
    print(f"csakit bench: {line}", file=sys.stderr, flush=True)
