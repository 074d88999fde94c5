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
from csakit.export.onnx_export import Exported, export_onnx
from csakit.runtime.contract import HOLE, IMAGE
from csakit.train import CSAInpainter, ModelConfig, checkpoint

from helpers.models import make_model

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One checkpoint and one file exported from it; for reading only."""

    model: CSAInpainter
    checkpoint: Path
    config: ExportConfig
    exported: Exported

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
        result: npt.NDArray[Any] = self.session.run(None, {IMAGE: image, HOLE: hole})[0]
        return result

    def expected(self, image: Floats, hole: Floats) -> Floats:
        """Run the source in torch, float32."""
        with torch.inference_mode():
            result: Floats = self.model(torch.from_numpy(image), torch.from_numpy(hole)).numpy()
        return result


def export_subject(folder: Path, model_config: ModelConfig, seed: int, **form: Any) -> Subject:  # noqa: ANN401
    """Make a network, save it, export it.

    Args:
        folder: where both files go.
        model_config: of the network.
        seed: of its weights.
        **form: arguments of ``ExportConfig``.
    """
    model = make_model(model_config, seed=seed)
    checkpoint.save(model, folder / "model.safetensors")
    return export_again(model, folder / "model.safetensors", folder, **form)


def export_again(model: CSAInpainter, source: Path, folder: Path, **form: Any) -> Subject:  # noqa: ANN401
    """Export a checkpoint that exists."""
    config = ExportConfig(**form)
    exported = export_onnx(source, folder / "model.onnx", config)
    return Subject(model.requires_grad_(False), source, config, exported)


def session_of(model: Path | onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model in ONNX Runtime, quietly, on two threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
