"""Measure csakit, and print what was promised beside what was measured."""

from .. import runtime as _runtime  # keeps the telemetry of onnxruntime off  # noqa: F401
