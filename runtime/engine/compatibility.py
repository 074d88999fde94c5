"""Compatibility of an engine with this machine, checked before TensorRT reads it."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ...plugins import spec
from ...plugins.architectures import devices
from ...plugins.errors import ContractError, EngineError, LibraryError
from ...plugins.library import find_library
from ...plugins.locations import Kind, file_name
from ...plugins.tensorrt_flavours import FLAVOURS, UNKNOWN
from ...plugins.versions import numbers
from ..contract import IMAGE, MASK, OUTPUT
from ..files.atomic import sha256
from ..files.engine_header import read_plan_header
from ..files.failures import is_file, named
from .manifest import Manifest, manifest_path, read_manifest

_AMPERE: Final = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostCapabilities:
    """The properties of this machine that engines depend on."""

    gpus: tuple[str, ...]  # architecture of each device; empty without GPU or driver
    modules: Mapping[str, str]  # version by name of each installed module of TensorRT
    plugin: bool  # whether a library for the C++ or the Python plugin is built


def this_machine() -> HostCapabilities:
    """Return the capabilities of this machine; never fails."""
    found = {
        module: version
        for module, flavour in FLAVOURS.items()
        if (version := flavour.version()) is not None
    }
    built = _is_built("csakit_trt") or _is_built("csakit")
    return HostCapabilities(gpus=tuple(devices()), modules=found, plugin=built)


def _is_built(kind: Kind) -> bool:
    with contextlib.suppress(LibraryError):
        find_library(kind)
        return True
    return False


@dataclasses.dataclass(frozen=True)
class Problem:
    """One problem, with its remedy."""

    text: str  # what is wrong, with the values
    remedy: str  # what to do; a command if there is one

    def __str__(self) -> str:
        return f"{self.text}\n{self.remedy}"


@dataclasses.dataclass(frozen=True)
class Compatibility:
    """Result of checking an engine: corruption of its files, incompatibility with this machine."""

    engine: Path  # its file
    manifest: Manifest | None  # None if it is missing or cannot be trusted
    corrupt: tuple[Problem, ...] = ()  # of the files; such an engine opens nowhere
    incompatible: tuple[Problem, ...] = ()  # what this machine lacks for it
    module: str | None = None  # the lightest TensorRT module that opens it on this machine, if any

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, corruption first."""
        return (*self.corrupt, *self.incompatible)

    def require_usable(self) -> Manifest:
        """Return the manifest, or raise EngineError with the first problem."""
        if self.problems or self.manifest is None:
            raise EngineError(str(self.problems[0]))
        return self.manifest


def diagnose(path: Path, machine: HostCapabilities, *, device: int = 0) -> Compatibility:
    """Compare an engine with its manifest, its source and a machine; loads nothing."""
    if not is_file(path):
        raise ContractError(f"the engine must be an existing file; got {named(path)}")
    described = manifest_path(path)
    if not is_file(described):
        text = f"{path} has no manifest ({described.name}), so its source and target are unknown"
        return Compatibility(path, None, (Problem(text + _by_header(path), _anew(path)),))
    try:
        manifest = read_manifest(described)
    except ContractError as error:
        return Compatibility(path, None, (Problem(str(error), _anew(path)),))
    incompatible = tuple(_incompatibility(path, manifest, machine, device))
    corrupt = tuple(_corruption(path, manifest))
    return Compatibility(path, manifest, corrupt, incompatible, _module(manifest, machine))


def _by_header(path: Path) -> str:
    """Return a description of an engine without a manifest, from its first bytes."""
    header = read_plan_header(path)
    if header is None:
        return ""
    size = path.stat().st_size
    cut = f", cut off after {size} of {header.bytes} bytes" if size < header.bytes else ""
    return f"; by its first bytes it is of TensorRT for RTX {header.version}{cut}"


def _corruption(path: Path, manifest: Manifest) -> Iterator[Problem]:
    """Yield the differences between the files and the manifest."""
    rebuild = _rebuild(path, manifest)
    names = sorted(tensor.name for tensor in manifest.tensors)
    if names != sorted((IMAGE, MASK, OUTPUT)):
        model = manifest.source.model.name
        yield Problem(
            f"{path} must have the tensors {IMAGE}, {MASK} and {OUTPUT}; got {', '.join(names)}",
            f"Export it again: csakit export CHECKPOINT.safetensors -o {model}   then {rebuild}",
        )
    stated, size = manifest.engine, path.stat().st_size
    if size != stated.bytes:
        word = "truncated" if size < stated.bytes else "not the one its manifest describes"
        yield Problem(f"{path} is {word}: it has {size} of {stated.bytes} bytes", rebuild)
    elif (digest := sha256(path)) != stated.sha256:
        yield Problem(
            f"{path} was changed, or its build was interrupted: its SHA-256 is {digest[:12]}, its "
            f"manifest states {stated.sha256[:12]}",
            rebuild,
        )
    for source in (manifest.source.model, *manifest.source.weights):
        file = path.parent / source.name
        there = is_file(file)  # not on a device
        if there and (file.stat().st_size != source.bytes or sha256(file) != source.sha256):
            yield Problem(f"{path} is stale: {source.name} has changed since it was built", rebuild)


def _incompatibility(
    path: Path, manifest: Manifest, machine: HostCapabilities, device: int
) -> Iterator[Problem]:
    build, rebuild = manifest.build, _rebuild(path, manifest)
    if _module(manifest, machine) is None:
        yield _no_module(path, manifest, machine)
    if not machine.gpus:
        text = f"{path} needs an NVIDIA GPU and its driver; none was found"
        yield Problem(text, f"Run {manifest.source.model.name} on the CPU, or see: csakit doctor")
    elif device >= len(machine.gpus):
        text = f"device must be 0 to {len(machine.gpus) - 1}; got {device}"
        yield Problem(text, "Choose one that `nvidia-smi` lists.")
    elif not _runs_on(manifest, machine.gpus[device]):
        built, here = ", ".join(build.targets), machine.gpus[device]
        yield Problem(f"{path} was built for {built}; this GPU is {here}", rebuild)
    plugin = build.plugin
    if plugin is not None and plugin.version != spec.VERSION:
        text = (
            f"{path} needs version {plugin.version} of the plugin; this csakit has {spec.VERSION}"
        )
        yield Problem(text, rebuild)
    elif plugin is not None and not (
        plugin.embedded
        or machine.plugin
        or is_file(path.parent / file_name("csakit_trt"))  # as it may lie on a device
    ):
        yield Problem(f"{path} needs the CSA plugin, which is not built", "csakit plugin build")
    if build.weights == "strip":
        yield Problem(
            f"{path} was built with --strip-weights and holds none; csakit does not put them back",
            "Build it without that option, or refit it with a program of your own.",
        )


def _module(manifest: Manifest, machine: HostCapabilities) -> str | None:
    """Return the module that opens the engine: the last compatible one of its list."""
    for name in reversed(manifest.build.runtimes):
        version = machine.modules.get(name)
        if version is not None and _fits(manifest, version):
            return name
    return None


def _no_module(path: Path, manifest: Manifest, machine: HostCapabilities) -> Problem:
    build = manifest.build
    wanted = [FLAVOURS[name] for name in build.runtimes if name in FLAVOURS]
    titles = " or ".join(flavour.title for flavour in wanted) or build.module
    here = [f"{f.title} {machine.modules[f.module]}" for f in wanted if f.module in machine.modules]
    newer = " or newer" if build.version_compatible else ""
    package = wanted[-1].package if wanted else build.module
    install = f"pip install '{package}{'>=' if newer else '=='}{build.version}'"
    found = f"installed is {' and '.join(here)}" if here else "it is not installed"
    return Problem(
        f"{path} requires {titles} {build.version}{newer}; {found}",
        f"Install it: {install}   or build with what is here: {_rebuild(path, manifest)}",
    )


def _fits(manifest: Manifest, version: str) -> bool:
    """Report whether a runtime's version is compatible with the builder's."""
    if version == UNKNOWN:
        return True  # TensorRT checks it before it runs anything
    here, there = numbers(version, 4), numbers(manifest.build.version, 4)
    return here >= there if manifest.build.version_compatible else here == there


def _runs_on(manifest: Manifest, gpu: str) -> bool:
    if manifest.build.portable == "ampere+":
        return int(re.sub(r"\D", "", gpu)) >= _AMPERE
    return gpu in manifest.build.targets


def _rebuild(path: Path, manifest: Manifest) -> str:
    place = "" if path.parent == Path() else f" (in {path.parent})"
    return f"Build it again{place}: {manifest.rebuild}"


def _anew(path: Path) -> str:
    return f"Build it again: csakit build {path.with_suffix('.onnx').name} -o {path.name}"
