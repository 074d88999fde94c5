"""The manifest beside an engine: its source, its builder, its target.

Loading a wrong engine may crash, so ``compatibility`` compares the manifest with files and machine
first. Its hash of the engine and its own checksum find edits and accidents; neither is a signature.
"""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from ..files.typed_json import decode, read_object
from .shapes import ShapeRange

SUFFIX: Final = ".engine"
SCHEMA: Final = 1  # of the manifest; increased when old readers would be wrong
_CHECKSUM: Final = "checksum"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file with its size and hash."""

    name: str  # relative to the folder of the manifest
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The model that the engine was built from."""

    model: Artifact  # the ONNX file
    weights: tuple[Artifact, ...]  # the model's external weights
    checkpoint_sha256: str  # of the checkpoint the model was exported from
    attention: str  # "csa", "conv" or "none"
    similarity: str  # of CSA
    prediction: str  # "absolute" or "residual"
    trained_hole: str  # px, the largest side in training; empty if unknown
    csakit: str  # version that exported the model


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin:
    """The plugin that computes CSA in the engine."""

    name: str
    version: str
    namespace: str
    implementation: str  # "c++" or "python"; either runs what the other built
    library: str  # name of the file it came from
    source_hash: str | None  # of the library's sources; None if unknown
    embedded: bool  # whether the library travels inside the engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """The build of the engine: its program, options and target GPUs."""

    module: str  # "tensorrt" or "tensorrt_rtx"
    version: str  # of the module
    runtimes: tuple[str, ...]  # modules that can open the engine, the lightest last
    targets: tuple[str, ...]  # architectures it was built for, such as "sm_86"
    portable: str  # "none", "ampere+" or "same-cc"
    version_compatible: bool  # whether later versions open it too
    weights: str  # "full", "refit" or "strip"
    plugin: Plugin | None  # None where the function body computes CSA, or there is no CSA
    command: tuple[str, ...]  # builds it again, in the engine's folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """One input or output."""

    name: str
    role: str  # "input" or "output"
    dtype: str  # "float32" or "uint8"
    shape: tuple[int, ...]  # -1 where the profile has a range


@dataclasses.dataclass(frozen=True, kw_only=True)
class Precision:
    """The precision that the engine computes in."""

    audited: str  # "fp32" or "fp16", as found, not as asked for
    evidence: Mapping[str, Any]  # observations by name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that is known of an engine when it is built."""

    schema: int
    csakit: str  # version that built the engine
    engine: Artifact
    source: Source
    build: Build
    io: str  # "float" or "uint8"
    tensors: tuple[Tensor, ...]  # inputs, then outputs
    profiles: tuple[ShapeRange, ...]  # exactly one
    precision: Precision
    parity: Mapping[str, Any] | None  # result of the last verification, if any

    @property
    def rebuild(self) -> str:
        """The command that builds the engine again, in its folder."""
        return shlex.join(self.build.command)

    def text(self) -> str:
        """Return the text of the file, with its checksum."""
        values = dataclasses.asdict(self)
        return json.dumps({**values, _CHECKSUM: _checksum(values)}, indent=1) + "\n"


def manifest_path(engine: Path) -> Path:
    """Return the path of an engine's manifest: ``model.engine.json`` for ``model.engine``."""
    return engine.with_name(f"{engine.name}.json")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; ContractError if it is unreadable, edited, or of a newer csakit."""
    values = read_object(path)
    schema = values.get("schema")
    if type(schema) is not int or schema < 1:
        raise ContractError(f"{path} is no manifest of an engine: its schema is {schema!r:.60}")
    if schema > SCHEMA:
        raise ContractError(
            f"{path} has schema {schema}; this csakit reads up to {SCHEMA}: "
            "pip install --upgrade csakit"
        )
    stated = values.pop(_CHECKSUM, None)
    if stated != _checksum(values):
        raise ContractError(f"{path} was edited: its content does not match its checksum")
    try:
        manifest = decode(Manifest, values)
        _require_printable(manifest)
    except ContractError as error:
        raise ContractError(f"{path} is no manifest of an engine: {error}") from error
    if manifest.build.command[:2] != ("csakit", "build") or not manifest.profiles:
        raise ContractError(f"{path} is no manifest of an engine: it lacks command or profiles")
    return manifest


def _require_printable(value: object) -> None:
    """Refuse texts with terminal control characters, because reports print them."""
    if isinstance(value, str) and not value.isprintable():
        raise ContractError(f"texts must be printable; got {value!r:.60}")
    if dataclasses.is_dataclass(value):
        value = tuple(getattr(value, field.name) for field in dataclasses.fields(value))
    if isinstance(value, tuple):
        for part in value:
            _require_printable(part)


def _checksum(values: Mapping[str, Any]) -> str:
    """Return a hash of the values that does not depend on formatting."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
