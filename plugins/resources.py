"""What each kernel takes of a GPU, as ptxas reports it: registers, shared memory, spills."""

import collections
import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import Final

_ENTRY: Final = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
_FRAME: Final = re.compile(
    r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
)
_USED: Final = re.compile(r"Used (\d+) registers")
_SHARED: Final = re.compile(r"(\d+)(?:\+\d+)? bytes smem")


@dataclasses.dataclass(frozen=True)
class KernelResources:
    """One kernel on one architecture.

    Attributes:
        kernel: its name, with template arguments, without namespaces and parameters.
        architecture: as "sm_90".
        registers: of a thread.
        shared_bytes: static shared memory of a block; what a launch adds is not known here.
        stack_bytes: of a thread, in slow local memory.
        spill_bytes: registers that did not fit, stores and loads, of the device functions that
            were not inlined too.
    """

    kernel: str
    architecture: str
    registers: int
    shared_bytes: int
    stack_bytes: int
    spill_bytes: int


def parse_resources(log: str) -> list[KernelResources]:
    """Read what nvcc printed with ``-Xptxas=-v``.

    Args:
        log: all of it; other lines are passed over.

    Returns:
        One entry for each kernel and architecture, in the order of the log.
    """
    sections = _ENTRY.split(log)[1:]  # name, architecture, text; and again
    names = readable_names(sections[0::3])
    return [
        _resources(names[symbol], architecture, text)
        for symbol, architecture, text in zip(*(sections[i::3] for i in range(3)), strict=True)
    ]


def _resources(kernel: str, architecture: str, text: str) -> KernelResources:
    """Sum up what the log says of one kernel and of the functions it calls."""
    frames = [tuple(map(int, frame)) for frame in _FRAME.findall(text)]
    used, shared = _USED.search(text), _SHARED.search(text)
    return KernelResources(
        kernel=kernel,
        architecture=architecture,
        registers=int(used[1]) if used else 0,
        shared_bytes=int(shared[1]) if shared else 0,
        stack_bytes=sum(stack for stack, _, _ in frames),
        spill_bytes=sum(stores + loads for _, stores, loads in frames),
    )


def readable_names(symbols: Iterable[str]) -> dict[str, str]:
    """Turn symbols of the linker into the names of the source.

    Args:
        symbols: as "_Z11matchKernelIfEvPKT_".

    Returns:
        "matchKernel<float>" for each. Without a c++filt it is "matchKernel", or the symbol.
    """
    wanted = list(dict.fromkeys(symbols))
    program = shutil.which("cu++filt") or shutil.which("c++filt")
    if program is None or not wanted:
        return {symbol: _crude_name(symbol) for symbol in wanted}
    text = "\n".join(wanted)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
    full = done.stdout.splitlines()
    if done.returncode != 0 or len(full) != len(wanted):
        return {symbol: _crude_name(symbol) for symbol in wanted}
    return {symbol: _short_name(name) for symbol, name in zip(wanted, full, strict=True)}


def _short_name(full: str) -> str:
    """Cut "void csakit::(anonymous namespace)::scan<float, 4>(Args)" to "scan<float, 4>"."""
    name = re.sub(r"\(anonymous namespace\)::|_GLOBAL__N__\w+::", "", full)
    depth, end = 0, len(name)
    for index, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            end = index
            break
    name = name[:end].removeprefix("void ")
    return re.sub(r"(?:\b\w+::)+(\w)", r"\1", name)


def _crude_name(symbol: str) -> str:
    """Read the last of the names in a symbol, which are written with their lengths."""
    rest, name = symbol.removeprefix("_ZN").removeprefix("_Z"), symbol
    while match := re.match(r"(\d+)", rest):
        start, length = match.end(), int(match[1])
        name, rest = rest[start : start + length], rest[start + length :]
    return name


def table(resources: Iterable[KernelResources]) -> list[str]:
    """Write a table with one row a kernel: the range over all architectures.

    Args:
        resources: of all objects.

    Returns:
        Lines, a heading first; none if there is no kernel.
    """
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
    """Write "32" or "32-80"."""
    values = sorted(set(numbers))
    return f"{values[0]}" if len(values) == 1 else f"{values[0]}-{values[-1]}"
