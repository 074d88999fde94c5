"""The targets measure what they say, and refuse to time what computes something else."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from csakit.benchmarks import baseline, targets
from csakit.export.config import ExportConfig
from csakit.export.exporter import Exported, export_onnx
from csakit.plugins.errors import EngineError
from torch import Tensor


def export_of_one_image(source: Path, output: Path, config: ExportConfig) -> Exported:
    """Export with a fixed batch, which takes half the time."""
    return export_onnx(source, output, dataclasses.replace(config, max_batch=1))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time one call of small networks; leave torch's threads as they were."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(targets, "_WIDTH", 2)
    for name in ("_LAYER_CALLS", "_MODEL_CALLS", "_IMPORT_CALLS"):
        monkeypatch.setattr(targets, name, 1)
    monkeypatch.setattr("csakit.benchmarks.stats.WARMUP_CALLS", 0)
    monkeypatch.setattr(targets, "export_onnx", export_of_one_image)
    yield
    torch.set_num_threads(threads)


def test_every_stated_target_is_measured() -> None:
    operator, share, start = targets.measure(1)

    assert operator.what == "CSA in torch, 512 channels, 32x32, 252 holes"
    assert "20x faster" in operator.target
    assert share.what == "CSA within the full-width fp32 model, ONNX Runtime, 1 threads"
    assert "3 % of the latency" in share.target
    assert start.what == "from csakit.runtime import Inpainter"
    assert "0.2 s" in start.target
    for measured in (operator, share, start):
        assert any(digit in measured.found for digit in "0123456789")


def test_a_loop_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(features: Tensor, hole: Tensor) -> Tensor:
        return features * float("nan")

    monkeypatch.setattr(baseline, "coherent_semantic_attention", wrong)

    with pytest.raises(EngineError, match="must agree to 1e-4; got nan"):
        next(targets.measure(1))


def test_a_model_without_parity_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise EngineError("the exported graph differs")

    monkeypatch.setattr(targets, "export_onnx", refuse)
    measuring = targets.measure(1)
    next(measuring)

    with pytest.raises(EngineError, match="the exported graph differs"):
        next(measuring)
