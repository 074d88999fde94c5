"""The three Python modules of TensorRT: what each is for, and which packages bring it."""

import dataclasses
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .versions import installed, numbers

OLDEST: Final = (10, 3)  # JetPack 6; plugins of the third kind and strongly typed networks
UNKNOWN: Final = "unknown"  # version of a module that no distribution owns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flavour:
    """One module of TensorRT."""

    module: str
    title: str  # what people call it
    purpose: str  # what it is installed for
    package: str  # that brings it, where a version is stated
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
        """Return whether csakit works with a version of it; an unknown one may."""
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
