"""Export a checkpoint to ONNX and TensorRT, with proof that the results agree."""

from .. import runtime as _runtime  # keeps the telemetry of onnxruntime off  # noqa: F401
