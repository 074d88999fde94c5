"""Exported models, each made once. An export takes seconds; every test here reads these."""

import copy
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from csakit.train import CSAInpainter, ModelConfig, checkpoint
from helpers.exported import Subject, calm_model, export_subject
from helpers.models import make_model

Alter = Callable[[Callable[[onnx.ModelProto], object]], Path]


@pytest.fixture(scope="session")
def dynamic(dynamic_export: Subject) -> Subject:
    """Any batch and size, float32, cosine."""
    return dynamic_export


@pytest.fixture(scope="session")
def packed(
    small_model: CSAInpainter, small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    """The source of ``dynamic`` with ends of bytes, its weights in a file of their own."""
    folder = tmp_path_factory.mktemp("packed")
    form = {"io": "uint8", "external_weights": True}
    return export_subject(small_model, small_checkpoint, folder, **form)


@pytest.fixture(scope="session")
def calm_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calm") / "calm.safetensors"
    checkpoint.save(calm_model(), path)
    return path


@pytest.fixture(scope="session")
def fixed(calm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """One image of 256x256, float32, projection; the fastest to run."""
    folder = tmp_path_factory.mktemp("fixed")
    return export_subject(calm_model(), calm_checkpoint, folder, size=256, max_batch=1)


@pytest.fixture(scope="session")
def half(calm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The source of ``fixed`` in half precision, any batch of 256x256."""
    folder = tmp_path_factory.mktemp("half")
    return export_subject(calm_model(), calm_checkpoint, folder, size=256, precision="fp16")


@pytest.fixture(scope="session")
def for_ort(calm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The source of ``fixed`` with transposed convolutions as convolutions."""
    folder = tmp_path_factory.mktemp("for_ort")
    return export_subject(
        calm_model(), calm_checkpoint, folder, size=256, max_batch=1, target="ort"
    )


@pytest.fixture(scope="session")
def residual_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("residual") / "residual.safetensors"
    checkpoint.save(calm_model(fill="interpolated", prediction="residual"), path)
    return path


@pytest.fixture(scope="session", params=["fp32", "fp16"])
def residual(
    request: pytest.FixtureRequest,
    residual_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Subject:
    """A model that adds to interpolation: one image of 256x256 in each precision."""
    folder = tmp_path_factory.mktemp("residual")
    model = checkpoint.load(residual_checkpoint)
    form = {"size": 256, "max_batch": 1, "precision": request.param}
    return export_subject(model, residual_checkpoint, folder, **form)


@pytest.fixture(scope="session", params=["conv", "none"])
def ablation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The paper's ablations, as small as they get."""
    folder = tmp_path_factory.mktemp(request.param)
    model = make_model(ModelConfig(width=1, attention=request.param))
    checkpoint.save(model, folder / "model.safetensors")
    form = {"size": 256, "max_batch": 1}
    return export_subject(model, folder / "model.safetensors", folder, **form)


@pytest.fixture
def altered(fixed: Subject, tmp_path: Path) -> Alter:
    """Give a function that writes a changed copy of ``fixed``."""

    def write(change: Callable[[onnx.ModelProto], object]) -> Path:
        model = copy.deepcopy(fixed.proto)
        change(model)
        onnx.save(model, tmp_path / "altered.onnx")
        return tmp_path / "altered.onnx"

    return write
