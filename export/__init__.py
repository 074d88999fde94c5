"""Checkpoint to ONNX, and the proof that nothing was lost on the way."""

from .. import runtime as _runtime  # keeps the telemetry of onnxruntime off  # noqa: F401
