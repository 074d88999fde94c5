"""An exported model beside its source, and ways to run it that are not the ones under test."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from csakit.export.config import ExportConfig
from csakit.export.exporter import Exported, export_onnx
from csakit.runtime.contract import IMAGE, MASK
from csakit.train import CSAInpainter, ModelConfig
from csakit.train.networks.generators import ATTENTION_LEVEL
from onnx import numpy_helper

from helpers.models import make_model

Floats = npt.NDArray[np.float32]

WEIGHT = "refinement.levels.0.narrow.weight"


@dataclasses.dataclass(frozen=True)
class Subject:
    """One checkpoint and one file exported from it; for reading only.

    ``left`` is what lay in the folder right after; who runs the file may keep copies beside it.
    """

    model: CSAInpainter
    checkpoint: Path
    config: ExportConfig
    exported: Exported
    left: frozenset[Path]

    @property
    def path(self) -> Path:
        """The ONNX file."""
        return self.exported.model

    @functools.cached_property
    def proto(self) -> onnx.ModelProto:
        """The file as written, its external weights left where they are."""
        return onnx.load(self.path, load_external_data=False)

    @functools.cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The file in ONNX Runtime."""
        return session_of(self.path)

    def run(self, image: npt.NDArray[Any], hole: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the exported file."""
        result: npt.NDArray[Any] = self.session.run(None, {IMAGE: image, MASK: hole})[0]
        return result

    def expected(self, image: Floats, hole: Floats) -> Floats:
        """Run the source in torch, float32."""
        with torch.inference_mode():
            result: Floats = self.model(torch.from_numpy(image), torch.from_numpy(hole)).numpy()
        return result


def export_subject(model: CSAInpainter, source: Path, folder: Path, **form: Any) -> Subject:  # noqa: ANN401
    """Export a checkpoint that holds the model, unverified: tests compare what they use."""
    config = ExportConfig(**form)
    exported = export_onnx(source, folder / "model.onnx", config, verify_images=0)
    return Subject(model, source, config, exported, frozenset(folder.iterdir()))


def calm_model(**form: Any) -> CSAInpainter:  # noqa: ANN401
    """Create a network whose picture survives half precision.

    With random weights the picture hangs on every match, and half precision swaps some of
    equally good candidates. Here the last levels listen to their skip connection more.
    """
    model = make_model(ModelConfig(width=4, similarity="projection", **form))
    narrow = model.refinement.levels[ATTENTION_LEVEL - 1].narrow.weight
    with torch.no_grad():
        narrow[: len(narrow) // 2] *= 0.05  # 26 dB
    return model.requires_grad_(False)


def set_weight(
    model: onnx.ModelProto, value: float = 1.0, name: str = WEIGHT, numbers: slice = slice(7, 8)
) -> None:
    """Set some numbers of a weight of an exported model, in place."""
    (tensor,) = (t for t in model.graph.initializer if t.name == name)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[numbers] = value
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def session_of(model: Path | onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model in ONNX Runtime, quietly, on two threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
