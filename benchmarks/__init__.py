"""Measure csakit, and compare the results with the stated targets."""

from .. import runtime as _runtime  # disables onnxruntime's telemetry  # noqa: F401
