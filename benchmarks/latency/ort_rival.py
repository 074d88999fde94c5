"""Exported models in ONNX Runtime on the CPU, through csakit's runtime, as its users run them."""

from pathlib import Path

import onnxruntime  # noqa: F401  # the runtime defers it; here it counts as importing

from ...runtime import open_session
from .onnx_model import OnnxModel


def open_onnx(file: Path, threads: int) -> OnnxModel:
    """Open an exported model."""
    return OnnxModel(open_session(file, threads=threads))
