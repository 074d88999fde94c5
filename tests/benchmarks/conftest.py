"""One tiny exported model for all benchmarks."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_onnx(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small checkpoint as one image of 256x256."""
    from csakit.export.config import ExportConfig  # deferred: a rented GPU's Python has no onnx
    from csakit.export.exporter import export_onnx

    path = tmp_path_factory.mktemp("latency") / "small.onnx"
    form = ExportConfig(size=256, max_batch=1)
    return export_onnx(small_checkpoint, path, form, verify_images=0).model
