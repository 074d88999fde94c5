"""Models are told apart by their files, and exported in the form that the run needs."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from csakit.benchmarks.latency import models
from csakit.benchmarks.latency.backends import BACKENDS
from csakit.benchmarks.latency.models import random_model_source, read_model_sources
from csakit.benchmarks.latency.plan import Plan
from csakit.export.config import ExportConfig
from csakit.plugins.errors import ContractError
from csakit.runtime.files.atomic import sha256
from csakit.train import CSAInpainter


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, ExportConfig]]:
    """Keep what would be exported; exporting itself has its own tests."""
    made: list[tuple[Path, ExportConfig]] = []
    monkeypatch.setattr(models, "export_onnx", lambda _, path, config: made.append((path, config)))
    return made


def test_a_checkpoint_is_described_by_its_contents(
    small_checkpoint: Path, small_model: CSAInpainter
) -> None:
    (source,) = read_model_sources([small_checkpoint])

    numbers = sum(parameter.numel() for parameter in small_model.parameters())
    assert dataclasses.asdict(source.model) == {
        "name": "small",
        "sha256": sha256(small_checkpoint),
        "width": 4,
        "attention": "csa",
        "similarity": "cosine",
        "weights_bytes": 4 * numbers,
    }


def test_without_files_it_is_the_demo_model() -> None:
    (source,) = read_model_sources([])

    assert source.model.name == "demo"
    assert source.model.width == 16


def test_random_weights_are_the_same_every_time(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()

    first, second = random_model_source(2, tmp_path), random_model_source(2, tmp_path / "again")

    assert first.model == second.model
    assert first.model.name == "random-2"


@pytest.mark.parametrize(
    ("fields", "size", "batch"),
    [
        ({}, 256, 1),
        ({"sizes": (512,)}, 512, 1),
        ({"sizes": (256, 512)}, "dynamic", 1),
        ({"batches": (1, 4)}, 256, None),
        ({"batches": (4,)}, 256, None),
    ],
)
def test_a_model_is_exported_for_the_sizes_and_batches_of_the_run(
    small_checkpoint: Path,
    tmp_path: Path,
    exports: list[tuple[Path, ExportConfig]],
    fields: dict[str, tuple[int, ...]],
    size: int | str,
    batch: int | None,
) -> None:
    (source,) = read_model_sources([small_checkpoint])
    backends = [BACKENDS[name] for name in ("torch", "ort", "ort-target")]

    found = source.candidates(backends, Plan(**fields), tmp_path)

    assert [candidate.file for candidate in found] == [small_checkpoint, *[p for p, _ in exports]]
    assert [config.target for _, config in exports] == ["generic", "ort"]
    for _, config in exports:
        assert (config.size, config.max_batch) == (size, batch)
    assert found[2].options["target"] == "ort"


def test_a_given_file_runs_beside_the_checkpoint_it_came_from(
    small_checkpoint: Path, small_onnx: Path, tmp_path: Path
) -> None:
    (source,) = read_model_sources([small_onnx, small_checkpoint])

    (candidate,) = source.candidates([], Plan(), tmp_path)

    assert candidate.name == "ort:small.onnx"
    assert candidate.file == small_onnx
    assert candidate.options == {
        "precision": "fp32",
        "io": "float",
        "target": "generic",
        "sha256": sha256(small_onnx),
    }


def test_a_file_without_its_checkpoint_is_refused(small_onnx: Path) -> None:
    with pytest.raises(ContractError, match=r"Give that .safetensors file too"):
        read_model_sources([small_onnx])


def test_two_models_of_one_name_are_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    other = random_model_source(2, tmp_path).checkpoint.rename(tmp_path / "small.safetensors")

    with pytest.raises(ContractError, match="models must have different names; got small, small"):
        read_model_sources([small_checkpoint, other])


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "model.pth")

    with pytest.raises(ContractError, match=r"must be a .safetensors or .onnx file; got model.pth"):
        read_model_sources([tmp_path / "model.pth"])


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"absent.safetensors"):
        read_model_sources([tmp_path / "absent.safetensors"])
