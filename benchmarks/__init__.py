"""Measure csakit, and compare the results with the stated targets."""

from .. import runtime as _runtime  # keeps the telemetry of onnxruntime off  # noqa: F401
