"""GPU architectures that the kernels are compiled for.

"sm_86" is machine code for compute capability 8.6; it also runs on 8.7 and 8.9. "compute_100"
is PTX, which the driver translates for any GPU from 10.0 on when it is first loaded.
"""

import ctypes
import re
from collections.abc import Iterable
from typing import Final

from .errors import ContractError, LibraryError

# The architectures that the kernels support: Turing to Blackwell, including Orin (87).
SUPPORTED: Final = ("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_100", "sm_120")
# PTX for later GPUs, and for Thor (11.0), which accepts PTX up to 110 but not that of 120.
PTX: Final = "compute_100"
OLDEST: Final = 75
_NAME: Final = re.compile(r"(?:sm|compute)_(\d+)[af]?")
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of the driver API


def choose(requested: str, offered: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return the architectures to compile for, and those of "all" that the compiler lacks.

    ``requested`` is "all", "native", or names such as "sm_75,sm_90,compute_90".
    """
    if requested == "all":
        newest = [name for name in (PTX, "compute_90", "compute_89") if name in offered][:1]
        known = [name for name in SUPPORTED if name in offered]
        return [*known, *newest], [name for name in SUPPORTED if name not in offered]
    names = _native() if requested == "native" else _parse(requested)
    for name in names:
        if name not in offered:
            raise LibraryError(
                f"this nvcc does not support {name}; it supports "
                f"{', '.join(sorted(offered, key=_order))}\n"
                "Choose other architectures, or install a CUDA toolkit that knows it."
            )
    return names, []


def covers(architectures: Iterable[str], gpu: str) -> bool:
    """Report whether code runs on a GPU: machine code of its major version or PTX, not newer."""
    wanted = int(re.sub(r"\D", "", gpu))
    for name in architectures:
        match = _NAME.fullmatch(name)
        if match is None or int(match[1]) > wanted:
            continue
        # "sm_90a" is for 9.0 alone, as machine code and as PTX.
        if name[-1].isalpha() and int(match[1]) != wanted:
            continue
        if name.startswith("compute") or int(match[1]) // 10 == wanted // 10:
            return True
    return False


def device_architectures() -> list[str]:
    """Return the architectures of this machine's GPUs, each once; empty without driver or GPU."""
    return sorted(set(devices()), key=_order)


def devices() -> list[str]:
    """Return the architecture of each GPU of this machine, in the driver's order."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    found = []
    for index in range(count.value):
        numbers = []
        for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
            value, device = ctypes.c_int(), ctypes.c_int()
            driver.cuDeviceGet(ctypes.byref(device), index)
            driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            numbers.append(value.value)
        found.append(f"sm_{numbers[0]}{numbers[1]}")
    return found


def _native() -> list[str]:
    found = device_architectures()
    if not found:
        raise LibraryError(
            "the architecture `native` needs a GPU and NVIDIA's driver; none was found\n"
            "Name the architecture of the GPU that will run it, such as sm_87, or take all."
        )
    return found


def _parse(requested: str) -> list[str]:
    """Split "sm_75,compute_90", each once, machine code first."""
    names = [name.strip() for name in requested.split(",")]
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None or int(match[1]) < OLDEST:
            raise ContractError(
                f"an architecture must be sm_{OLDEST} or later (compute_{OLDEST} for PTX), "
                f"`native` or `all`; got {name!r}"
            )
    return sorted(set(names), key=_order)


def _order(name: str) -> tuple[bool, int, str]:
    """Return the sort key: machine code before PTX, then by number."""
    return name.startswith("compute"), int(re.sub(r"\D", "", name) or 0), name
