"""The manifest of a built engine, and the command that builds it again."""

import dataclasses
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Final

import onnx

from ...plugins import spec
from ...plugins.errors import EngineError
from ...runtime import contract
from ...runtime.engine.manifest import (
    SCHEMA,
    Artifact,
    Build,
    Manifest,
    Plugin,
    Precision,
    Source,
    Tensor,
)
from ...runtime.engine.shapes import ShapeRange
from ...runtime.engine.tensorrt_module import LoadedPlugin, TensorRTModule
from ...runtime.files.atomic import sha256
from ..graph import surgery
from .config import BuildConfig
from .precision_audit import Types

_DTYPES: Final = {"FLOAT": "float32", "UINT8": "uint8"}  # of TensorRT's inputs and outputs
_LEAN: Final = "tensorrt_lean"  # opens version-compatible engines; 44 MB instead of gigabytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """The inputs of a build: TensorRT module, model, options, shapes and targets."""

    module: TensorRTModule
    proto: onnx.ModelProto  # without external weights
    path: Path  # of the model
    config: BuildConfig
    shapes: ShapeRange
    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildResult:
    """The result of a build, before it is audited and written."""

    request: BuildRequest
    plan: bytes
    # None if the function body computes CSA, or the model has no CSA
    plugin: LoadedPlugin | None
    types: Types  # of the network
    # name, role, TensorRT's type and shape of each input and output
    tensors: tuple[tuple[str, str, str, tuple[int, ...]], ...]


def describe(result: BuildResult, precision: Precision, *, engine: Path) -> Manifest:
    """Return a build's manifest, without parity; the engine file need not exist yet."""
    proto, model = result.request.proto, result.request.path
    metadata = surgery.metadata_of(proto)
    weights = tuple(
        _artifact(model.parent / name, engine.parent) for name in surgery.external_files(proto)
    )
    return Manifest(
        schema=SCHEMA,
        csakit=importlib.metadata.version("csakit"),
        engine=Artifact(
            name=engine.name,
            bytes=len(result.plan),
            sha256=hashlib.sha256(result.plan).hexdigest(),
        ),
        source=Source(
            model=_artifact(model, engine.parent),
            weights=weights,
            checkpoint_sha256=metadata.get(contract.META_CHECKPOINT, ""),
            attention=metadata.get(contract.META_ATTENTION, ""),
            similarity=metadata.get(contract.META_SIMILARITY, ""),
            prediction=metadata.get(contract.META_PREDICTION, "absolute"),
            trained_hole=metadata.get(contract.META_TRAINED_HOLE, ""),
            csakit=metadata.get(contract.META_VERSION, ""),
        ),
        build=_build(result, engine),
        io=metadata.get(contract.META_IO, ""),
        tensors=tuple(_tensor(*tensor) for tensor in result.tensors),
        profiles=(result.request.shapes,),
        precision=precision,
        parity=None,
    )


def rebuild_command(request: BuildRequest, *, model: str, engine: str) -> tuple[str, ...]:
    """Return the command that builds the same engine, with the defaults that were in effect."""
    config, shapes = request.config, request.shapes
    command = ["csakit", "build", model, "-o", engine, "--builder", config.builder]
    command += ["--batch", str(shapes.batch), "--size", str(shapes.size)]
    if config.rtx:
        command += ["--targets", ",".join(request.targets)]
    if config.workspace_bytes is not None:
        command += ["--workspace", str(config.workspace_bytes)]
    if config.opt_level is not None:
        command += ["--opt-level", str(config.opt_level)]
    if config.portable != "none":
        command += ["--portable", config.portable]
    flags = {
        "--version-compatible": config.version_compatible,
        "--embed-plugin": config.embed_plugin,
        "--no-plugin": not config.plugin,
        "--tf32": config.tf32,
        "--refit": config.weights == "refit",
        "--strip-weights": config.weights == "strip",
    }
    return (*command, *(flag for flag, given in flags.items() if given))


def _build(result: BuildResult, engine: Path) -> Build:
    request, config, plugin = result.request, result.request.config, result.plugin
    module, relative = request.module, os.path.relpath(request.path, engine.parent)
    return Build(
        module=module.name,
        version=module.version,
        runtimes=(module.name, *((_LEAN,) if config.version_compatible else ())),
        targets=request.targets,
        portable=config.portable,
        version_compatible=config.version_compatible,
        weights=config.weights,
        plugin=None if plugin is None else _plugin(plugin, embedded=config.embed_plugin),
        command=rebuild_command(request, model=relative, engine=engine.name),
    )


def _plugin(loaded: LoadedPlugin, *, embedded: bool) -> Plugin:
    return Plugin(
        name=spec.NAME,
        version=spec.VERSION,
        namespace=spec.NAMESPACE,
        implementation=loaded.implementation,
        library=loaded.library.name,
        source_hash=loaded.source_hash,
        embedded=embedded,
    )


def _artifact(path: Path, folder: Path) -> Artifact:
    name = os.path.relpath(path, folder)
    return Artifact(name=name, bytes=path.stat().st_size, sha256=sha256(path))


def _tensor(name: str, role: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    if dtype not in _DTYPES:
        raise EngineError(f"{role} {name} must be float32 or uint8; TensorRT made it {dtype}")
    return Tensor(name=name, role=role, dtype=_DTYPES[dtype], shape=shape)
