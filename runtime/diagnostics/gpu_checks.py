"""Checks of GPUs: driver, devices, TensorRT, the CUDA binding, the native libraries."""

import ctypes
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ...plugins.architectures import covers
from ...plugins.installed import library_status
from ...plugins.locations import BUILD_COMMAND, LIBRARY_VARIABLE, Kind, stale_builds
from ...plugins.tensorrt_flavours import FLAVOURS
from ...plugins.versions import installed
from ..device.open_device import choose_binding
from ..engine.compatibility import HostCapabilities
from .package_checks import Check, Status

_KERNEL_MODULE: Final = Path("/proc/driver/nvidia/version")
_NAME_BYTES: Final = 256
_GIVES: Final = MappingProxyType[Kind, str](
    {
        "csakit": "training on NVIDIA GPUs, and the plugin in Python",
        "csakit_trt": "TensorRT engines",
        "csakit_trt_autoreg": "programs that only open plugins: Triton, Polygraphy",
    }
)


def check_driver() -> Check:
    """Report the driver and the CUDA version it supports; never fails."""
    supported, status = _supported_cuda(), Status.OK
    if supported is None:
        status, text = Status.ABSENT, "absent; for engines and CUDA: install NVIDIA's driver"
    elif isinstance(supported, str):
        status, text = Status.FIX, f"{supported}: install NVIDIA's driver again"
    else:
        release = _release()
        text = f"{f'{release}, ' if release else ''}supports CUDA {supported[0]}.{supported[1]}"
        if late := _wheels_for_later_cuda(supported[0]):
            text += f", {' and '.join(late)} need a later one: update NVIDIA's driver"
            status = Status.FIX
    return Check(status, "NVIDIA driver", text)


def check_gpus(machine: HostCapabilities) -> list[Check]:
    """Report name and compute capability of each GPU, or that the driver lists none."""
    if not machine.gpus and _supported_cuda() is not None:
        text = "none that the driver lists; compare with `nvidia-smi`"
        return [Check(Status.ABSENT, "GPU", text)]
    return [
        Check(Status.OK, f"GPU {number}", f"{_name(number)}, compute capability {_dotted(gpu)}")
        for number, gpu in enumerate(machine.gpus)
    ]


def check_tensorrt(machine: HostCapabilities) -> list[Check]:
    """Check each module of TensorRT: installed, and new enough."""
    checks = []
    for module, flavour in FLAVOURS.items():
        version = machine.modules.get(module)
        status, text = Status.OK, f"{version}, for {flavour.purpose}"
        if version is None:
            text = f"absent; for {flavour.purpose}: pip install {flavour.install}"
            status = Status.ABSENT
        elif not flavour.supports(version):
            least = ".".join(map(str, flavour.oldest))
            remedy = f"pip install --upgrade {flavour.install}"
            status, text = Status.FIX, f"{version}; csakit needs at least {least}: {remedy}"
        checks.append(Check(status, module, text))
    return checks


def check_binding() -> Check:
    """Report the CUDA binding that would run engines in Python."""
    choice = choose_binding()
    if choice.binding is None:
        return Check(Status.ABSENT, "CUDA binding", f"for running engines: {choice.reason}")
    version = choice.version or "of unknown version"
    return Check(Status.OK, "CUDA binding", f"{choice.binding} {version}, {choice.reason}")


def check_library(kind: Kind, gpus: Sequence[str] = ()) -> Check:
    """Check whether a native library is built, for the GPUs here, from the present sources."""
    name, status = f"lib{kind}", library_status(kind)
    headers = "" if kind == "csakit" else " --tensorrt-include DIR"
    command = f"{BUILD_COMMAND}{headers}"
    if status.problem is not None:
        if status.path is not None or os.environ.get(LIBRARY_VARIABLE):
            return Check(Status.FIX, name, status.problem.replace("\n", ": "))
        if stale_builds(kind):
            return Check(Status.FIX, name, f"stale: built from other sources than these: {command}")
        return Check(Status.ABSENT, name, f"absent; for {_GIVES[kind]}: {command}")
    text = f"for {', '.join(status.architectures) or 'unknown GPUs'} ({status.path})"
    if status.fresh is False:
        return Check(Status.FIX, name, f"{text} is {status.freshness}: {command}")
    if late := _later_cuda(status.compiler):
        return Check(Status.FIX, name, f"{text}, {late}")
    bare = [gpu for gpu in gpus if status.architectures and not covers(status.architectures, gpu)]
    if bare:
        text += f", not for the {' and '.join(dict.fromkeys(bare))} here"
        return Check(Status.FIX, name, f"{text}: {BUILD_COMMAND} --arch native{headers}")
    return Check(Status.OK, name, text)


def _later_cuda(compiler: str | None) -> str | None:
    """Return the problem if a library was built with a later CUDA than the driver's, else None."""
    built, supported = re.match(r"nvcc (\d+)\.", compiler or ""), _supported_cuda()
    if not built or not isinstance(supported, tuple) or int(built[1]) <= supported[0]:
        return None
    return (
        f"built with CUDA {built[1]}, the driver supports {supported[0]}.{supported[1]}: update "
        f"NVIDIA's driver, or build with an older nvcc: {BUILD_COMMAND}"
    )


def _supported_cuda() -> tuple[int, int] | str | None:
    """Return the CUDA that the driver supports; a problem in words, None without a driver."""
    version = ctypes.c_int(0)
    try:
        status = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    if status != 0:
        return f"present, but reports error {status}"
    return version.value // 1000, version.value % 1000 // 10


def _release() -> str | None:
    """Return the version of the driver if the system's kernel shows it."""
    try:
        found = re.search(r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", _KERNEL_MODULE.read_text())
    except OSError:
        return None
    return found[1] if found else None


def _wheels_for_later_cuda(major: int) -> list[str]:
    """Return the installed wheels of TensorRT that are for a later CUDA than the driver's."""
    names = (name for flavour in FLAVOURS.values() for name in flavour.distributions)
    wheels = [name for name in names if installed(name)]
    stated = ((name, re.search(r"-cu(\d+)$", name)) for name in wheels)
    return [name for name, match in stated if match and int(match[1]) > major]


def _name(number: int) -> str:
    text, device = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1")  # initialised when the devices were counted
        failed = driver.cuDeviceGet(ctypes.byref(device), number) or driver.cuDeviceGetName(
            text, _NAME_BYTES, device
        )
    except (OSError, AttributeError):
        failed = True
    return "without a name" if failed else text.value.decode(errors="replace")


def _dotted(architecture: str) -> str:
    """Return "12.0" for "sm_120"."""
    digits = re.sub(r"\D", "", architecture)
    return f"{digits[:-1]}.{digits[-1:]}"
