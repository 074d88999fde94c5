"""Export a checkpoint to ONNX and TensorRT, with proof that the results agree."""

from .. import runtime as _runtime  # disables onnxruntime's telemetry  # noqa: F401
