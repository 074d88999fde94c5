"""Accept csakit on this machine's GPU: ``python -m csakit.benchmarks.gpu_acceptance``.

Builds the libraries, runs the tests that need a GPU, runs the kernels under compute-sanitizer,
times them, runs whole models in ONNX Runtime and TensorRT, and writes one record. Needs no
network, and no csakit installed: ``make gpu`` runs it from the sources.
"""

import argparse
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..plugins.architectures import device_architectures
from ..plugins.errors import ContractError, ExitCode
from ..plugins.locations import LIBRARY_VARIABLE

MINUTES: Final = 7.5  # for the parts; the acceptance promises to end within 8
_NEEDED: Final = {"numpy": "numpy", "PIL": "pillow"}  # without them nothing can be recorded
_EPILOG: Final = """\
exit codes: 0 nothing failed; 1 a part failed, the record says which; 2 wrong usage; 3 no GPU, or
something that is needed is not installed. Targets that are missed fail nothing.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the acceptance; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m csakit.benchmarks.gpu_acceptance",
        description="Build, test, sanitize and time the kernels, and run whole models, on this "
        "machine's GPU.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="for all parts; default: %(default)s"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: one in benchmarks/results"
    )
    parser.add_argument(
        "--commit", metavar="SHA", help="of the sources, where git cannot be asked for it"
    )
    parser.add_argument(
        "--prepared",
        type=Path,
        metavar="FOLDER",
        help="models by `python -m csakit.benchmarks.acceptance.prepare FOLDER`, where they "
        "cannot be exported here",
    )
    if reason := _cannot_run():
        parser.parse_args(arguments)
        print(f"{parser.prog}: {reason}", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    from ..runtime.command import run_command  # deferred: imports NumPy and Pillow

    return run_command(parser, _accept, arguments)


def _cannot_run() -> str | None:
    """Say what keeps the acceptance from running at all; None if nothing does."""
    if not device_architectures():
        return (
            "no CUDA device: the acceptance needs an NVIDIA GPU and its driver; nothing was run "
            "and no record was written"
        )
    missing = [pip for name, pip in _NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        return (
            f"{sys.executable} lacks {' and '.join(missing)}; nothing was run and no record was "
            "written\nInstall them there, or name another Python: make gpu GPU_PYTHON=..."
        )
    return None


def _accept(args: argparse.Namespace) -> int:
    """Run all parts, print and record what was found."""
    if not 0 < args.minutes < float("inf"):
        raise ContractError(f"minutes must be above 0; got {args.minutes}")
    if args.commit is not None and not re.fullmatch(r"[0-9a-f]{40}", args.commit):
        raise ContractError(f"a commit must be 40 hexadecimal digits; got {args.commit!r}")
    if args.prepared is not None and not (args.prepared / "reference.npz").is_file():
        raise ContractError(f"--prepared must name a prepared folder; got {args.prepared}")
    from .acceptance.parts import ROOT, all_parts  # deferred: imports NumPy
    from .acceptance.session import accept, make_record, write
    from .attention.report import report

    def say(line: str) -> None:
        print(line, flush=True)

    # What is built here is what is tested; the tests then find its objects already compiled.
    kept = {name: text for name, text in os.environ.items() if name != LIBRARY_VARIABLE}
    environment = {**kept, "XDG_CACHE_HOME": str(ROOT / "build" / "test-cache")}
    with tempfile.TemporaryDirectory(prefix="csakit-") as name:
        folder = Path(name)
        parts = all_parts(folder, None if args.prepared is None else args.prepared.absolute())
        checks = accept(parts, seconds=60 * args.minutes, environment=environment, say=say)
        settings = {"minutes": args.minutes}
        record = make_record(
            checks, folder / "attention.json", settings=settings, commit=args.commit
        )
    say("\n".join(["", *report(record)]))
    say(f"wrote {write(record, args.output)}")
    failed = any(check.outcome == "failed" for check in checks)
    return ExitCode.CHECK_FAILED if failed else ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
