"""The models of a run: checkpoints, files exported from them, and other given files."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from ...export.config import ExportConfig
from ...export.exporter import export_onnx
from ...export.graph import surgery
from ...plugins.errors import ContractError
from ...runtime.contract import META_CHECKPOINT, META_IO, META_PRECISION, META_TARGET
from ...runtime.engine.manifest import manifest_path, read_manifest
from ...runtime.files.atomic import sha256
from ...runtime.files.onnx_header import read_onnx_header
from ...train import ModelConfig, checkpoint
from ..inputs import random_model
from ..record import Model, Scalar
from .backends import BACKENDS, BackendSpec
from .plan import Plan

_DEMO: Final = Path("train", "weights", "demo.safetensors")  # in a checkout only
_FLOAT_BYTES: Final = 4


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One backend and the file it opens; its options decide the limits."""

    name: str
    backend: BackendSpec
    file: Path
    options: Mapping[str, Scalar]
    compared: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A checkpoint with given ``.onnx`` files, its own and others; or one file alone."""

    model: Model | None
    checkpoint: Path | None
    exported: tuple[Path, ...] = ()
    external: tuple[Path, ...] = ()

    def candidates(
        self, backends: Sequence[BackendSpec], plan: Plan, folder: Path
    ) -> list[Candidate]:
        """Export what the backends need; return a candidate for each backend and given file."""
        if self.checkpoint is None:
            return [_uncompared(path, f"{path.name} as given") for path in self.exported]
        listed = [self._of_backend(backend, plan, folder) for backend in backends]
        listed += map(_exported, self.exported)
        title, opener = "another network in ONNX Runtime, not compared", ".any_onnx:AnyModel"
        return [*listed, *(_uncompared(path, title, opener) for path in self.external)]

    def _of_backend(self, backend: BackendSpec, plan: Plan, folder: Path) -> Candidate:
        assert self.checkpoint is not None
        assert self.model is not None
        options: dict[str, Scalar] = {"precision": backend.computes, "io": "float"}
        if backend.target is None:
            return Candidate(backend.name, backend, self.checkpoint, options)
        size: int | Literal["dynamic"] = plan.sizes[0] if len({*plan.sizes}) == 1 else "dynamic"
        batch = 1 if {*plan.batches} == {1} else None
        config = ExportConfig(io="float", size=size, max_batch=batch, target=backend.target)
        path = folder / f"{self.model.name}-{backend.name}.onnx"
        export_onnx(self.checkpoint, path, config)
        options |= {"target": config.target, "size": str(size), "batch": str(batch or "any")}
        return Candidate(backend.name, backend, path, options)


def _exported(path: Path) -> Candidate:
    """Return a candidate for a given export of the checkpoint."""
    metadata = read_onnx_header(path).metadata
    title = f"ONNX Runtime, {path.name} as given"
    backend = dataclasses.replace(BACKENDS["ort"], title=title, target=None)
    options: dict[str, Scalar] = {
        "precision": metadata.get(META_PRECISION, ""),
        "io": metadata.get(META_IO, ""),
        "target": metadata.get(META_TARGET, "generic"),
        "sha256": sha256(path),
    }
    return Candidate(f"ort:{path.name}", backend, path, options)


def _uncompared(path: Path, title: str, opener: str = BackendSpec.opener) -> Candidate:
    """Return a candidate for a model or an engine whose results have no reference."""
    modules = ("onnxruntime",) if path.suffix == ".onnx" else ()
    backend = BackendSpec(path.name, title, modules, opener)
    return Candidate(path.name, backend, path, {"sha256": sha256(path)}, compared=False)


def read_alone(path: Path) -> ModelSource:
    """Return the source of a model or an engine that is timed alone."""
    if path.suffix not in (".onnx", ".engine") or not path.is_file():
        raise ContractError(f"a model alone must be an .onnx or .engine file; got {path}")
    return ModelSource(model=None, checkpoint=None, exported=(path,))


def stated_side(path: Path) -> int | None:
    """Return the side that a file is fixed to, or an engine is tuned for; None if any."""
    if path.suffix == ".engine":
        return read_manifest(manifest_path(path)).profiles[0].size.best
    sizes = (side for tensor in read_onnx_header(path).inputs for side in tensor.shape[1:])
    return max((side for side in sizes if isinstance(side, int) and side > 3), default=None)


def demo_checkpoint() -> Path:
    """Return the path of the demo checkpoint, in the installed checkout or the working folder."""
    for folder in (Path(__file__).parents[2], Path()):
        if (folder / _DEMO).is_file():
            return folder / _DEMO
    raise ContractError(
        f"without --models, the demo checkpoint must be in a checkout; there is no {_DEMO} here\n"
        "Run this in a checkout of csakit, or give FILE, --models or --width."
    )


def read_model_sources(paths: Sequence[Path]) -> list[ModelSource]:
    """Group ``.safetensors`` and ``.onnx`` files by checkpoint; default to the demo model."""
    given = list(paths) or [demo_checkpoint()]
    checkpoints = [_source(path) for path in given if path.suffix == ".safetensors"]
    sources = {source.model.sha256: source for source in checkpoints if source.model}
    for path in given:
        if path.suffix == ".onnx":
            origin = surgery.metadata_of(surgery.read(str(path))).get(META_CHECKPOINT, "")
            if origin not in sources:
                raise ContractError(
                    f"{path} was exported from a checkpoint with SHA-256 {origin[:12]}, which it "
                    "is compared with\nGive that .safetensors file too."
                )
            source = sources[origin]
            sources[origin] = dataclasses.replace(source, exported=(*source.exported, path))
        elif path.suffix != ".safetensors":
            raise ContractError(f"a model must be a .safetensors or .onnx file; got {path.name}")
    names = [source.model.name for source in sources.values() if source.model]
    if len({*names}) < len(names):
        raise ContractError(f"models must have different names; got {', '.join(names)}")
    return list(sources.values())


def random_model_source(width: int, folder: Path) -> ModelSource:
    """Write a model of random weights, the same in every run; width 64 is the published network."""
    path = folder / f"random-{width}.safetensors"
    checkpoint.save(random_model(ModelConfig(width=width)), path)
    return _source(path)


def _source(path: Path) -> ModelSource:
    header = checkpoint.read_header(path)
    names = [field.name for field in dataclasses.fields(ModelConfig)]
    config = ModelConfig(**{name: header[name] for name in names})
    model = Model(
        name=path.stem,
        sha256=sha256(path),
        width=config.width,
        attention=config.attention,
        similarity=config.similarity,
        weights_bytes=_FLOAT_BYTES
        * sum(map(math.prod, checkpoint.expected_shapes(config).values())),
    )
    return ModelSource(model=model, checkpoint=path)
