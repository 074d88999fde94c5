"""Starts are measured as users see them, and only where all of them write the same file."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csakit.benchmarks import cold_start
from csakit.benchmarks.cold_start import Start, measure
from csakit.export.config import ExportConfig
from csakit.export.exporter import Exported, export_onnx
from csakit.plugins.errors import ContractError, EngineError
from csakit.train import ModelConfig, checkpoint
from helpers.models import make_model
from PIL import Image


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """One small model of a fixed form, which takes a fraction of the time to export."""
    folder = tmp_path_factory.mktemp("exported")
    checkpoint.save(make_model(ModelConfig(width=4)), folder / "demo.safetensors")
    form = ExportConfig(target="ort", external_weights=True, size=256, max_batch=1)
    source = folder / "demo.safetensors"
    return export_onnx(source, folder / "model.onnx", form, verify_images=0)


@pytest.fixture(autouse=True)
def small(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure copies of it."""

    def export(source: Path, output: Path, config: ExportConfig) -> Exported:
        assert (config.target, config.external_weights) == ("ort", True)
        assert exported.weights is not None
        weights = output.parent / exported.weights.name
        shutil.copy(exported.weights, weights)
        shutil.copy(exported.model, output)
        return dataclasses.replace(exported, model=output, weights=weights)

    monkeypatch.setattr(cold_start, "export_onnx", export)
    monkeypatch.setattr(cold_start, "_LATENCY_CALLS", 1)


def test_every_target_is_measured_and_the_affinity_restored() -> None:
    before = os.sched_getaffinity(0)

    found = list(measure(1, width=4, starts=1, images=3))

    assert os.sched_getaffinity(0) == before
    assert [item.what.split(",")[0] for item in found] == 2 * [
        "csakit inpaint",
        "peak host memory of csakit inpaint",
        "a folder of 3 images of 256x256",
    ]
    assert [item.target for item in found[::3]] == [
        f"under {seconds} s, everything included" for seconds in (1.0, 2.5)
    ]
    assert all("the demo model" in item.what for item in found[:3])
    assert all("the model of width 4" in item.what for item in found[3:])


def recording(change: Callable[[int, Start], Start]) -> Callable[..., Start]:
    """Replace what a start measured, by its number."""
    start, count = cold_start._start, 0

    def starting(model: Path, threads: int, *, cache: bool = True) -> Start:
        nonlocal count
        count += 1
        return change(count, start(model, threads, cache=cache))

    return starting


def test_a_slow_start_and_a_large_one_miss_their_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = recording(lambda _, start: start._replace(seconds=1.01, peak_bytes=10**9))
    monkeypatch.setattr(cold_start, "_start", bad)
    measuring = measure(1, width=4, starts=1, images=1)

    assert [next(measuring).met for _ in range(2)] == [False, False]
    measuring.close()


def test_starts_that_write_other_files_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    other = recording(lambda count, start: start._replace(result=start.result + bytes(count == 3)))
    monkeypatch.setattr(cold_start, "_start", other)

    with pytest.raises(EngineError, match=r"with and without the optimised copy of .* differ"):
        next(measure(1, width=4, starts=1, images=1))


def test_a_start_that_fails_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError, match="csakit inpaint failed with"):
        cold_start._start(tmp_path / "absent.onnx", 1)

    assert "existing" in capfd.readouterr().err


def test_memory_is_that_of_the_start_and_not_of_this_process(
    exported: Exported, tmp_path: Path
) -> None:
    ballast = np.ones(600_000_000, np.uint8)
    for name in ("photo.png", "mask.png"):
        Image.new("L", (256, 256)).save(tmp_path / name)
    assert exported.weights is not None
    for path in (exported.model, exported.weights):
        shutil.copy(path, tmp_path)

    start = cold_start._start(tmp_path / exported.model.name, 1)

    assert start.peak_bytes < 300_000_000 < ballast.nbytes


@pytest.mark.parametrize("name", ["starts", "images"])
def test_nothing_is_measured_of_nothing(name: str) -> None:
    with pytest.raises(ContractError, match="must be at least 1"):
        next(measure(1, **{name: 0}))
