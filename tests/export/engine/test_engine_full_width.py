"""The published width in half precision: the engine that edge devices are meant to run."""

from pathlib import Path

import onnx
import pytest
from csakit.benchmarks.inputs import random_model
from csakit.export import exporter
from csakit.export.config import ExportConfig
from csakit.export.engine.build_engine import build_engine
from csakit.export.engine.config import BuildConfig
from csakit.export.exporter import ExportWrapper
from csakit.export.graph import surgery
from csakit.runtime.diagnostics.file_report import inspect
from csakit.runtime.engine.compatibility import HostCapabilities
from csakit.train import ModelConfig


@pytest.mark.slow
def test_the_full_width_is_built_and_its_size_proves_half_precision(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    path, form = tmp_path / "full.onnx", ExportConfig(precision="fp16", size=256, max_batch=1)
    model = random_model(ModelConfig())
    # Without the comparison with torch that an export ends with: a minute, tested elsewhere.
    proto = exporter._trace(ExportWrapper(model, form).eval(), form)
    surgery.finish(proto, exporter._metadata(model, "0" * 64, form, {}), io="float", free=())
    onnx.save(proto, path)

    config = BuildConfig(builder="tensorrt-rtx", targets=("sm_89",))
    manifest = build_engine(path, tmp_path / "full.engine", config).manifest

    weights = manifest.precision.evidence["network"]["weights"]
    assert weights["half"] == weights["total"] > 130_000_000
    assert manifest.engine.bytes < 300e6  # 264 MB of weights
    modules = {"tensorrt_rtx": manifest.build.version}
    machine = HostCapabilities(gpus=("sm_89",), modules=modules, plugin=False)
    assert inspect(tmp_path / "full.engine", machine).lines["here"] == "opens with tensorrt_rtx"
