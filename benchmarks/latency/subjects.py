"""The models of a run: checkpoints, the files exported from them, and given files of theirs."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import onnx

from ...export.config import ExportConfig
from ...export.exporter import export_onnx
from ...export.graph import surgery
from ...plugins.errors import ContractError
from ...runtime.contract import META_CHECKPOINT, META_IO, META_PRECISION, META_TARGET
from ...runtime.files.atomic import sha256
from ...train import ModelConfig, checkpoint
from ..random_weights import random_model
from ..record import Model, Scalar
from .backends import BACKENDS, Backend
from .plan import Plan

DEMO: Final = Path(__file__).parents[2] / "train" / "weights" / "demo.safetensors"
_FLOAT_BYTES: Final = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """One rival before it starts.

    Attributes:
        name: of the backend, and of the file where one was given.
        backend: how it runs.
        file: what it opens.
        form: how the file was exported; "precision" and "io" decide its limits.
    """

    name: str
    backend: Backend
    file: Path
    form: Mapping[str, Scalar]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """One set of weights.

    Attributes:
        model: what a record says of it.
        checkpoint: the file.
        exported: given ``.onnx`` files that were exported from it.
    """

    model: Model
    checkpoint: Path
    exported: tuple[Path, ...] = ()

    def contenders(self, backends: Sequence[Backend], plan: Plan, folder: Path) -> list[Contender]:
        """Export what the backends need, and list who can start.

        Args:
            backends: that are possible here.
            plan: decides the form of exported files.
            folder: where they go.

        Returns:
            One for every backend, and one for every given file.

        Raises:
            ParityError: an exported file differs from the checkpoint.
        """
        listed = [self._of_backend(backend, plan, folder) for backend in backends]
        return listed + [self._of_file(path) for path in self.exported]

    def _of_backend(self, backend: Backend, plan: Plan, folder: Path) -> Contender:
        if backend.target is None:
            form: dict[str, Scalar] = {"precision": backend.precision, "io": "float"}
            return Contender(name=backend.name, backend=backend, file=self.checkpoint, form=form)
        size: int | Literal["dynamic"] = plan.sizes[0] if len({*plan.sizes}) == 1 else "dynamic"
        batch = 1 if {*plan.batches} == {1} else None
        config = ExportConfig(
            precision=backend.precision, size=size, max_batch=batch, target=backend.target
        )
        path = folder / f"{self.model.name}-{backend.name}.onnx"
        export_onnx(self.checkpoint, path, config)
        form = {
            "precision": backend.computes or config.precision,
            "io": config.io,
            "target": config.target,
            "size": str(size),
            "batch": str(batch or "any"),
        }
        return Contender(name=backend.name, backend=backend, file=path, form=form)

    def _of_file(self, path: Path) -> Contender:
        """Take a given file as it is; its suffix chooses the backend."""
        metadata = surgery.metadata_of(onnx.load(path, load_external_data=False))
        backend = dataclasses.replace(BACKENDS["ort"], what=f"ONNX Runtime, {path.name} as given")
        form: dict[str, Scalar] = {
            "precision": metadata.get(META_PRECISION, ""),
            "io": metadata.get(META_IO, ""),
            "target": metadata.get(META_TARGET, "generic"),
            "sha256": sha256(path),
        }
        return Contender(name=f"ort:{path.name}", backend=backend, file=path, form=form)


def read_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Sort the given files: checkpoints, and exported files with the checkpoint they came from.

    Args:
        paths: ``.safetensors`` and ``.onnx`` files; none is the demo model.

    Returns:
        One for every checkpoint.

    Raises:
        ContractError: a file is of another kind, two checkpoints have one name, or an exported
            file came from none of the checkpoints.
    """
    given = list(paths) or [DEMO]
    checkpoints = [_subject(path) for path in given if path.suffix == ".safetensors"]
    subjects = {subject.model.sha256: subject for subject in checkpoints}
    for path in given:
        if path.suffix == ".onnx":
            origin = surgery.metadata_of(surgery.read(str(path))).get(META_CHECKPOINT, "")
            if origin not in subjects:
                raise ContractError(
                    f"{path} was exported from a checkpoint with SHA-256 {origin[:12]}, which it "
                    "is compared with\nGive that .safetensors file too."
                )
            subject = subjects[origin]
            subjects[origin] = dataclasses.replace(subject, exported=(*subject.exported, path))
        elif path.suffix != ".safetensors":
            raise ContractError(f"a model must be a .safetensors or .onnx file; got {path.name}")
    names = [subject.model.name for subject in subjects.values()]
    if len({*names}) < len(names):
        raise ContractError(f"models must have different names; got {', '.join(names)}")
    return list(subjects.values())


def random_subject(width: int, folder: Path) -> Subject:
    """Make a model of random weights, the same in every run.

    Args:
        width: channels of the first level; 64 is the published network.
        folder: where its checkpoint goes.

    Returns:
        The subject.

    Raises:
        ContractError: there is no network of this width.
    """
    path = folder / f"random-{width}.safetensors"
    checkpoint.save(random_model(ModelConfig(width=width)), path)
    return _subject(path)


def _subject(path: Path) -> Subject:
    header = checkpoint.read_header(path)  # says what is wrong with a file that is none
    config = ModelConfig(
        width=header["width"], attention=header["attention"], similarity=header["similarity"]
    )
    model = Model(
        name=path.stem,
        sha256=sha256(path),
        width=config.width,
        attention=config.attention,
        similarity=config.similarity,
        weights_bytes=_FLOAT_BYTES
        * sum(map(math.prod, checkpoint.expected_shapes(config).values())),
    )
    return Subject(model=model, checkpoint=path)
