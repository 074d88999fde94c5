"""The host: physical cores, their instruction sets, and required package versions."""

import contextlib
import itertools
import math
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from ..plugins.errors import ContractError

DISTRIBUTION: Final = "csakit"
# Wheels that install the same module, onnxruntime; two of them overwrite each other's files.
ORT_WHEELS: Final = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # control groups v2, the limits of containers
_KIND = Path("/proc/cpuinfo")
_KIND_KEYS = (  # on x86 and on ARM; other keys vary, like the clock rate
    *("vendor_id", "cpu family", "model", "model name", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)
# x86 instruction sets for low precision; bfloat16 needs one of the first three.
_BFLOAT16 = ("amx_bf16", "avx512_bf16", "avx_ne_convert")
_LOW_PRECISION = (*_BFLOAT16, "amx_int8", "avx512_vnni", "avx_vnni", "avx512_fp16")


def physical_cores() -> int:
    """Count the physical cores that this process may use, at least 1.

    Hyper-threads share the units that convolutions keep busy, so one thread per core is fastest;
    more threads than a container's quota would be throttled. Fallback: logical processors.
    """
    cores = {_siblings(cpu) for cpu in _allowed()}
    quota = _quota()
    return max(1, len(cores) if quota is None else min(len(cores), math.ceil(quota)))


def core_processors() -> list[int]:
    """Return the logical processors that this process may use, one of every core first."""
    cores: dict[str, int] = {}  # processors seen of each core
    order = []
    for cpu in sorted(_allowed()):
        core = _siblings(cpu)
        cores[core] = cores.get(core, 0) + 1
        order.append((cores[core], cpu))
    return [cpu for _, cpu in sorted(order)]


def processor_kind() -> str | None:
    """Return the processor's model and instruction sets; None if unknown."""
    try:
        with _KIND.open() as file:
            first = itertools.takewhile(str.strip, file)  # a blank line ends each processor
            found = dict(line.split(":", 1) for line in first if ":" in line)
    except (OSError, UnicodeDecodeError):
        return None
    kind = {key.strip(): " ".join(value.split()) for key, value in found.items()}
    parts = [f"{key}: {kind[key]}" for key in _KIND_KEYS if key in kind]
    return "; ".join([platform.machine(), *parts]) if parts else None


def low_precision_instructions() -> tuple[str, ...]:
    """Return this processor's instruction sets for low precision, by their Linux names."""
    found = (processor_kind() or "").replace(";", " ").split()
    return tuple(name for name in _LOW_PRECISION if name in found)


def has_bfloat16() -> bool:
    """Report whether this processor has bfloat16 instructions."""
    return not {*_BFLOAT16}.isdisjoint(low_precision_instructions())


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):  # Linux
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(cpu: int) -> str:
    """Return a key that is equal for the threads of one core."""
    try:
        return Path(_TOPOLOGY.format(cpu)).read_text().strip()
    except OSError:
        return str(cpu)


def _quota() -> float | None:
    """Return the processor quota of the control group; None is no limit."""
    try:
        granted, period = _QUOTA.read_text().split()
        return int(granted) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # absent, or "max 100000"
        return None


def minimum(distribution: str) -> str:
    """Return the minimum version that csakit requires of a package; "0" without one."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for requirement in metadata.requires(DISTRIBUTION) or ():
            if match := re.match(rf"{re.escape(distribution)}\s*>=\s*([\d.]+)", requirement):
                return match[1]
    return "0"


DeviceKind = Literal["cpu", "cuda"]


def parse_device(text: str) -> tuple[DeviceKind, int]:
    """Return the kind and number that "cpu", "cuda" or "cuda:N" names."""
    if text == "cpu":
        return "cpu", 0
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", text)
    if match is None:
        raise ContractError(f"device must be cpu, cuda or cuda:N; got {text!r}")
    return "cuda", int(match[1] or 0)
