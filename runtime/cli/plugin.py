"""``csakit plugin``: build the CUDA kernels and the TensorRT plugin, and report what is built."""

import argparse
import collections
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ...plugins import locations, toolchain
from ...plugins.build import Build, BuildConfig, KernelResources, build
from ...plugins.errors import ExitCode, LibraryError
from ...plugins.installed import LibraryStatus, library_status
from ...plugins.locations import BUILD_COMMAND, KINDS, LIBRARY_VARIABLE, file_name
from ...plugins.toolchain import INCLUDE_VARIABLE, how_to_get_headers
from .command import new_parser, run_command

_OVERLAPPING: Final = 90  # kernels overlap if compiled for this architecture or a later one
_EPILOG: Final = """\
exit codes: 0 done; 2 wrong usage; 3 something is not installed, not built, or does not compile.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(_parser(), lambda args: int(args.work(args)), arguments)


def _parser() -> argparse.ArgumentParser:
    summary = "Build the CUDA kernels and the TensorRT plugin, and report what is built."
    parser = new_parser("csakit plugin", summary, _EPILOG)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_build(commands.add_parser("build", help="compile the libraries with nvcc"))
    info = commands.add_parser("info", help="report what is built, and where it is searched")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.set_defaults(work=_info)
    return parser


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compile libcsakit, and, where TensorRT's headers are at hand, libcsakit_trt and "
        "libcsakit_trt_autoreg. Needs nvcc, g++, CMake and Ninja, no GPU."
    )
    add = parser.add_argument
    text = "architectures: all, native (of this machine), or as sm_87,sm_90 (default: %(default)s)"
    add("--arch", default=BuildConfig.architectures, metavar="LIST", help=text)
    text = (
        f"folder of TensorRT's C++ headers (default: {INCLUDE_VARIABLE}, then the folders of "
        "system packages, then the cache)"
    )
    add("--tensorrt-include", type=Path, metavar="DIR", help=text)
    text = "folder for the libraries (default: the user's cache, where csakit finds them)"
    add("-o", "--output", type=Path, metavar="DIR", help=text)
    text = "number of parallel compilers (default: one per core)"
    add("--jobs", type=int, metavar="N", help=text)
    add("--warnings-as-errors", action="store_true", help="treat compiler warnings as errors")
    parser.set_defaults(work=_build)


def _build(args: argparse.Namespace) -> int:
    config = BuildConfig(
        architectures=args.arch,
        tensorrt_include=args.tensorrt_include,
        output=args.output,
        jobs=args.jobs,
        warnings_as_errors=args.warnings_as_errors,
    )
    _report(build(config, progress=print), config)
    return ExitCode.OK


def _report(built: Build, config: BuildConfig) -> None:
    for line in built.warnings:
        print(line, file=sys.stderr)
    if built.omitted:
        print(
            f"left out: {', '.join(built.omitted)}, which {built.toolchain} does not know; "
            "a newer CUDA toolkit does"
        )
    print("", *table(built.resources), "", sep="\n")
    for path in built.libraries:
        print(f"built {path} ({path.stat().st_size / 1e6:.1f} MB)")
    headers = f"with the headers of TensorRT {built.tensorrt}" if built.tensorrt else "no TensorRT"
    print(f"took {built.seconds:.0f} s, {headers}")
    if built.tensorrt is None:
        print(f"\nnot built: the TensorRT plugin, which needs headers. {how_to_get_headers()}")
    stated = os.environ.get(LIBRARY_VARIABLE)
    if config.output is not None:
        print(f"To use it: export {LIBRARY_VARIABLE}={shlex.quote(str(config.output.absolute()))}")
    elif stated:
        print(f"Not used: {LIBRARY_VARIABLE} is {stated}. Unset it to use this build.")


def table(resources: Iterable[KernelResources]) -> list[str]:
    """Return a heading and a row per kernel, with ranges over architectures, if there is one."""
    by_kernel: dict[str, list[KernelResources]] = collections.defaultdict(list)
    for entry in resources:
        by_kernel[entry.kernel].append(entry)
    if not by_kernel:
        return []
    width = max(map(len, by_kernel))
    lines = [f"{'kernel':<{width}}  registers  shared bytes  stack bytes  spills"]
    for kernel, entries in sorted(by_kernel.items()):
        spilt = [f"{e.spill_bytes} bytes on {e.architecture}" for e in entries if e.spill_bytes]
        lines.append(
            f"{kernel:<{width}}  {_range(e.registers for e in entries):>9}"
            f"  {_range(e.shared_bytes for e in entries):>12}"
            f"  {_range(e.stack_bytes for e in entries):>11}  {', '.join(spilt) or 'none'}"
        )
    return lines


def _range(numbers: Iterable[int]) -> str:
    """Return "32" or "32-80"."""
    values = sorted(set(numbers))
    return f"{values[0]}" if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _info(args: argparse.Namespace) -> int:
    statuses = [library_status(kind) for kind in KINDS]
    if args.json:
        print(json.dumps(_as_json(statuses), indent=1))
    else:
        print("\n".join(_lines(statuses)))
    return ExitCode.OK if statuses[0].usable else ExitCode.ENVIRONMENT


def _as_json(statuses: list[LibraryStatus]) -> dict[str, Any]:
    return {
        "source_hash": locations.source_hash(),
        "libraries": {status.kind: status.as_json() for status in statuses},
        "searched": [
            {"why": place.why, "path": str(place.path), "found": place.found}
            for place in locations.search_places()
        ],
        "stale_builds": [str(path) for path in locations.stale_builds()],
        **{title.lower().replace(" ", "_"): text for title, text in _tools()},
    }


def _lines(statuses: list[LibraryStatus]) -> list[str]:
    lines = []
    for status in statuses:
        lines += [*_describe(status), ""]
    lines.append(f"searched for {file_name('csakit')}, in this order:")
    if not os.environ.get(LIBRARY_VARIABLE):
        lines.append(f"  0. none  (environment variable {LIBRARY_VARIABLE}: not set)")
    for number, place in enumerate(locations.search_places(), start=1):
        mark = "found" if place.found else "none"
        lines.append(f"  {number}. {mark:<6}{place.path}  ({place.why})")
    lines += [f"  stale       {path.parent}  (not used)" for path in locations.stale_builds()]
    lines += ["", *(f"{title}: {text}" for title, text in _tools())]
    if not statuses[0].usable:
        remedy = "Build it with"
        if os.environ.get(LIBRARY_VARIABLE):  # beside it no build is used
            remedy = f"Correct {LIBRARY_VARIABLE}, or unset it and run"
        lines += ["", f"{remedy}: {BUILD_COMMAND}"]
    return lines


def _describe(status: LibraryStatus) -> list[str]:
    name = file_name(status.kind)
    if status.path is None:
        stated = os.environ.get(LIBRARY_VARIABLE)
        return [f"{name}: {f'not found in {LIBRARY_VARIABLE}' if stated else 'not built'}"]
    facts = [
        ("path", str(status.path)),
        ("architectures", ", ".join(status.architectures) or "not known"),
        ("launches", _launches(status.architectures)),
        ("ABI version", "not known" if status.abi is None else str(status.abi)),
        ("sources", status.freshness),
        ("compiler", status.compiler or "not known"),
    ]
    if status.tensorrt is not None:
        facts.append(("TensorRT", f"headers of {status.tensorrt}"))
    if status.problem is not None:
        facts.append(("problem", status.problem.replace("\n", "\n" + " " * 19)))
    return [f"{name}:", *(f"  {title:<17}{text}" for title, text in facts)]


def _launches(architectures: Sequence[str]) -> str:
    """Return where a kernel starts while the one before it runs; csrc/abi/overlap.cpp decides."""
    if not architectures:
        return "not known"
    later = [name for name in architectures if int(re.sub(r"\D", "", name)) >= _OVERLAPPING]
    if not later:
        return "one after another: no code for compute capability 9.0 or later"
    return f"overlap on compute capability 9.0 and later ({', '.join(later)})"


def _tools() -> Iterator[tuple[str, str]]:
    """Yield the tools that a build would use, by name."""
    for title, find in (("nvcc", _nvcc), ("CMake", _cmake), ("TensorRT headers", _headers)):
        try:
            yield title, find()
        except LibraryError as error:
            yield title, str(error)


def _nvcc() -> str:
    found = toolchain.find_toolchain()
    return f"{found}, found by {found.source}"


def _cmake() -> str:
    return " with ".join(toolchain.find_cmake())


def _headers() -> str:
    headers = toolchain.find_headers()
    return f"{headers.version} in {headers.folder}" if headers else f"none. {how_to_get_headers()}"
