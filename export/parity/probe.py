"""Run an exported model, or its torch source, with the inner stages as outputs.

Letters: B images, C channels, N feature positions, H W sides in pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch

from ...plugins.errors import ContractError, EngineError
from ...plugins.spec import SIMILARITIES
from ...runtime import contract
from ...runtime.contract import IOFormat
from ...runtime.files.failures import failure
from ...runtime.tensors.conversion import Array, ModelInputs
from ...runtime.tensors.pixels import HALF_RANGE, float_from_uint8
from ...train import CSAInpainter
from ...train.attention.operator import match_indices
from ...train.config import ATTENTIONS
from ..config import IOS, PRECISIONS
from ..graph import surgery
from ..graph.attention_function import MATCHES
from .cases import Case

Choice = TypeVar("Choice", bound=str)


class ExportedModel:
    """The metadata and the image size of an exported model."""

    def __init__(self, path: Path, model: onnx.ModelProto) -> None:
        self.name = path.name
        metadata = surgery.metadata_of(model)
        self.precision = _stated(path, metadata, contract.META_PRECISION, PRECISIONS)
        self.io = _stated(path, metadata, contract.META_IO, IOS)
        self.similarity = _stated(path, metadata, contract.META_SIMILARITY, SIMILARITIES)
        self.attention = _stated(path, metadata, contract.META_ATTENTION, ATTENTIONS)
        self.checkpoint_sha256 = metadata.get(contract.META_CHECKPOINT, "")
        self.size = _size(model, self.io)


class Probe(ExportedModel):
    """An exported model in ONNX Runtime whose inner stages are outputs too."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # deferred: only where a model runs

        model = surgery.read(str(path))
        super().__init__(path, model)
        self._names = surgery.add_probes(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal only: errors are raised
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's classes share no base but this one
            problem = failure(error, f"load {path}")
            raise problem or EngineError(f"ONNX Runtime cannot load {path}: {error}") from error

    def run(self, case: Case) -> dict[str, Array]:
        """Run one case; return stage name to array, without the batch dimension."""
        case.require_size(self.size, self.name)
        image, hole = network_input(case, self.io)
        try:
            outputs = self._session.run(self._names, {contract.IMAGE: image, contract.MASK: hole})
        except Exception as error:
            problem = failure(error, f"run {self.name}")
            raise problem or EngineError(f"ONNX Runtime cannot run {self.name}: {error}") from error
        stages = {name: array[0] for name, array in zip(self._names, outputs, strict=True)}
        if self.io == "uint8":
            stages[contract.OUTPUT] = as_float(stages[contract.OUTPUT])
        return stages


def network_input(case: Case, io: IOFormat) -> tuple[Array, Array]:
    """Return image and hole as a batch of one, in the model's layout."""
    hole = case.hole[None, :, :, None].astype(np.uint8)
    inputs = ModelInputs.from_pixels(io, case.image[None], hole)
    return inputs.image, inputs.mask


def torch_stages(model: CSAInpainter, case: Case, io: IOFormat) -> dict[str, Array]:
    """Run one case through the torch model; return its stages as ``Probe.run`` does."""
    image, hole = (torch.from_numpy(array) for array in network_input(case, "float"))
    with torch.inference_mode():
        stages = model.stages(image, hole)
        arrays = {
            "rough": stages.rough,
            "features": stages.features,
            "attended": stages.attended,
            contract.OUTPUT: stages.result,
        }
        found = {name: tensor[0].numpy() for name, tensor in arrays.items()}
        if model.config.attention == "csa":
            similarity = model.config.similarity
            matches = match_indices(stages.features, stages.feature_hole, similarity)
            found[MATCHES] = matches[0].numpy()
    if io == "uint8":
        byte = np.round((found[contract.OUTPUT] + 1) * HALF_RANGE)
        found[contract.OUTPUT] = (byte / HALF_RANGE - 1).astype(np.float32)
    return found


def _stated(path: Path, metadata: Mapping[str, str], key: str, known: tuple[Choice, ...]) -> Choice:
    """Return a metadata value of a model; refuse any but the known ones."""
    value = metadata.get(key)
    for choice in known:
        if choice == value:
            return choice
    raise ContractError(
        f"the metadata of {path} must have {key}, one of {known}; got {value!r}\n"
        "Export it again with `csakit export`."
    )


def _size(model: onnx.ModelProto, io: IOFormat) -> tuple[int, int] | None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    height, width = dims[1:3] if io == "uint8" else dims[2:4]
    return (height.dim_value, width.dim_value) if height.dim_value else None


def as_float(image: Array) -> Array:
    """Convert (H, W, 3) uint8 to (3, H, W) float32 in [-1, 1]."""
    converted: Array = float_from_uint8(image[None])[0]
    return converted
