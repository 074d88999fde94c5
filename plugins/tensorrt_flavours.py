"""The three Python modules of TensorRT: their purposes and their packages."""

import dataclasses
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .versions import installed, numbers

OLDEST: Final = (10, 3)  # JetPack 6; has V3 plugins and strongly typed networks
UNKNOWN: Final = "unknown"  # version of a module that no distribution owns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flavour:
    """One Python module of TensorRT."""

    module: str
    title: str  # name in messages
    purpose: str  # reason to install it
    package: str  # its package, to install a stated version
    install: str  # argument of ``pip install`` for any version that csakit supports
    oldest: tuple[int, ...] = OLDEST  # version that csakit supports

    @property
    def distributions(self) -> tuple[str, ...]:
        """Every distribution that brings the module."""
        name = self.module.replace("_", "-")
        return name, f"{name}-cu13", f"{name}-cu12"

    def version(self) -> str | None:
        """Return the installed version, None if there is no such module; imports nothing."""
        for distribution in self.distributions:
            if version := installed(distribution):
                return version
        return UNKNOWN if importlib.util.find_spec(self.module) is not None else None

    def supports(self, version: str) -> bool:
        """Report whether csakit supports a version; an unknown one is assumed to work."""
        return version == UNKNOWN or numbers(version) >= self.oldest


_FLAVOURS: Final = (
    Flavour(
        module="tensorrt",
        title="TensorRT",
        purpose="building engines, and opening them",
        package="tensorrt",
        install="tensorrt",
    ),
    Flavour(
        module="tensorrt_lean",
        title="TensorRT lean",
        purpose="opening version-compatible engines",
        package="tensorrt-lean-cu13",
        install="tensorrt-lean-cu13",
    ),
    Flavour(
        module="tensorrt_rtx",
        title="TensorRT for RTX",
        purpose="engines for GeForce RTX, built anywhere",
        package="tensorrt-rtx-cu13",
        install="'csakit[rtx]'",
        oldest=(),
    ),
)
FLAVOURS: Final[Mapping[str, Flavour]] = MappingProxyType({one.module: one for one in _FLAVOURS})
