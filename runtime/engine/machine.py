"""What this machine can open engines with, told without importing or loading any of it."""

import dataclasses
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...plugins.architectures import devices
from ...plugins.errors import LibraryError
from ...plugins.library import find_library
from ..host import installed

# Modules that open engines, and the distributions that bring them.
DISTRIBUTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
        "tensorrt_lean": ("tensorrt-lean", "tensorrt-lean-cu13", "tensorrt-lean-cu12"),
        "tensorrt_rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
    }
)
UNKNOWN: Final = "unknown"  # version of a module that no distribution owns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides whether an engine can be opened here.

    Attributes:
        gpus: architecture of each device, number 0 first; empty without GPU or driver.
        modules: version by name of each installed module of TensorRT.
        plugin: whether a library of the plugin is built, in C++ or for the one in Python.
    """

    gpus: tuple[str, ...]
    modules: Mapping[str, str]
    plugin: bool


def this_machine() -> Machine:
    """Look at this machine.

    Returns:
        What is found; never fails.
    """
    found = {name: version for name in DISTRIBUTIONS if (version := _version(name))}
    return Machine(gpus=tuple(devices()), modules=found, plugin=_plugin_is_built())


def _version(module: str) -> str | None:
    for distribution in DISTRIBUTIONS[module]:
        if version := installed(distribution):
            return version
    return UNKNOWN if importlib.util.find_spec(module) is not None else None


def _plugin_is_built() -> bool:
    for kind in ("csakit_trt", "csakit"):
        try:
            find_library(kind)
        except LibraryError:
            continue
        return True
    return False
