"""``csakit inspect``: report what files are, and whether engines run here. Loads no framework."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ContractError, ExitCode
from ..diagnostics.file_report import inspect
from ..engine.compatibility import this_machine
from .command import new_parser, run_command

_EPILOG = """\
exit codes: 0 every file is what it claims to be, even where it cannot run here; 1 an engine is
damaged, edited or stale, or a model lacks its weights; 2 a file is absent or of another kind.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    summary = (
        "Report what a checkpoint, an exported model or an engine is, its origin and target, and "
        "whether an engine runs here."
    )
    parser = new_parser("csakit inspect", summary, _EPILOG)
    kinds = ".safetensors, .onnx or .engine"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=kinds)
    parser.add_argument("--json", action="store_true", help="print a JSON list instead")
    return run_command(parser, _inspect, arguments)


def _inspect(args: argparse.Namespace) -> int:
    machine, found, code = this_machine(), [], ExitCode.OK
    for path in args.files:
        try:
            found.append(inspect(path, machine))
        except ContractError as error:
            print(f"csakit inspect: {error}", file=sys.stderr)
            code = ExitCode.USAGE
    if args.json:
        print(json.dumps([one.to_json() for one in found], indent=1))
    else:
        print("\n\n".join(one.text() for one in found))
    if code is ExitCode.OK and any(one.damaged for one in found):
        return ExitCode.CHECK_FAILED
    return code
