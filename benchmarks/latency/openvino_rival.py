"""Exported models in OpenVINO on the CPU, through csakit's runtime, as its users run them."""

from pathlib import Path

import openvino  # noqa: F401  # the runtime defers it; here it counts as importing

from ...runtime import open_session
from .onnx_model import OnnxModel


def open_fp32(file: Path, threads: int) -> OnnxModel:
    """Open an exported model in float32."""
    return OnnxModel(open_session(file, threads=threads, backend="openvino"))


def open_bf16(file: Path, threads: int) -> OnnxModel:
    """Open an exported model in bfloat16."""
    return OnnxModel(open_session(file, threads=threads, backend="openvino", precision="bf16"))
