"""``csakit``: list the sub-commands and start one; imports only the one that it starts."""

import difflib
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from types import MappingProxyType
from typing import Final

from ...plugins.errors import ExitCode
from ...plugins.versions import installed
from .command import guard

PROGRAM: Final = "csakit"
GROUP: Final = "csakit.commands"  # of entry points; each names the extra it needs in brackets

SUMMARIES: Final = MappingProxyType(
    {
        "inpaint": "repair an image or a folder of images",
        "web": "repair photographs in the browser, or through an HTTP API",
        "doctor": "report what is installed, what can run here, and what to install",
        "plugin": "build the CUDA kernels and the TensorRT plugin",
        "convert": "convert the authors' checkpoint",
        "train": "train a network",
        "evaluate": "score models on a set of images",
        "export": "export a checkpoint to ONNX, and verify it",
        "verify": "compare an exported model with its checkpoint, stage by stage",
        "build": "build a TensorRT engine from an exported model",
        "inspect": "report what a checkpoint, a model or an engine is, and whether it runs here",
        "triton": "write a model repository for Triton Inference Server",
        "bench": "measure latency and compare it",
    }
)


def main(
    arguments: Sequence[str] | None = None, *, loaded: Callable[[], None] = lambda: None
) -> int:
    """Run csakit; ``loaded`` is called between import and work of the sub-command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guard(PROGRAM, lambda: _run(given, loaded))


def _run(given: list[str], loaded: Callable[[], None]) -> int:
    commands = _commands()
    if not given:
        print(_usage(commands), file=sys.stderr)
        return ExitCode.USAGE
    name, *rest = given
    if name in ("-h", "--help", "help"):
        print(_usage(commands))
        return ExitCode.OK
    if name in ("-V", "--version"):
        version = installed(PROGRAM) or "(not installed)"
        print(f"{PROGRAM} {version} (Python {platform.python_version()})")
        return ExitCode.OK
    if name not in commands:
        close = difflib.get_close_matches(name, commands)
        hint = f"Did you mean: {', '.join(close)}?" if close else f"See: {PROGRAM} --help"
        rule = f"a command must be one of {', '.join(commands)}; got {name!r}"
        print(f"{PROGRAM}: {rule}\n{hint}", file=sys.stderr)
        return ExitCode.USAGE
    return _start(commands[name], rest, loaded)


def _commands() -> dict[str, metadata.EntryPoint]:
    """Find the registered commands, ours in the order of ``SUMMARIES`` and then others."""
    found = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    order = [*SUMMARIES, *sorted(found.keys() - SUMMARIES.keys())]
    return {name: found[name] for name in order if name in found}


def _start(entry: metadata.EntryPoint, arguments: list[str], loaded: Callable[[], None]) -> int:
    """Load one sub-command and run it; a missing dependency is a line, not a traceback."""
    try:
        command = entry.load()
        loaded()
        code: int = command(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", PROGRAM):
            raise  # a defect of csakit
        extras = ",".join(entry.extras)
        needed = f"'{PROGRAM}[{extras}]', or in a checkout '.[{extras}]'" if extras else missing
        print(
            f"{PROGRAM} {entry.name}: needs the Python package {missing!r}, which is not "
            f"installed\nInstall it with: pip install {needed}",
            file=sys.stderr,
        )
        return ExitCode.ENVIRONMENT
    return code


def _usage(commands: dict[str, metadata.EntryPoint]) -> str:
    lines = [
        f"usage: {PROGRAM} COMMAND ...",
        "",
        "Repair images with CSA inpainting; train, export, verify, build and measure its models.",
        "",
        "commands:",
        *(f"  {name:<9} {SUMMARIES.get(name, '')}".rstrip() for name in commands),
        "",
        f"See {PROGRAM} COMMAND --help for a command, {PROGRAM} --version for the version.",
    ]
    if not commands:
        lines += ["", "No command is registered. Install csakit: pip install 'csakit[runtime]'"]
    return "\n".join(lines)
