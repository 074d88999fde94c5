"""Exported models, each made once. An export takes seconds; every test here reads these."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from csakit.train import CSAInpainter, ModelConfig, checkpoint
from helpers.exported import Subject, calm_model, export_subject
from helpers.models import make_model

Alter = Callable[[Callable[[onnx.ModelProto], object]], Path]
Export = Callable[..., Subject]

ONE: dict[str, Any] = {"size": 256, "max_batch": 1}  # image of one size


@pytest.fixture(scope="session")
def dynamic(dynamic_export: Subject) -> Subject:
    """Any batch and size, float32, cosine."""
    return dynamic_export


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return a function that exports a model and its checkpoint in a form."""
    return lambda model, source, **form: export_subject(
        model, source, tmp_path_factory.mktemp("exported"), **form
    )


def saved(model: CSAInpainter, folder: Path) -> Path:
    checkpoint.save(model, folder / "model.safetensors")
    return folder / "model.safetensors"


@pytest.fixture(scope="session")
def packed(small_model: CSAInpainter, small_checkpoint: Path, export: Export) -> Subject:
    """The source of ``dynamic`` with ends of bytes, its weights in a file of their own."""
    return export(small_model, small_checkpoint, io="uint8", external_weights=True)


@pytest.fixture(scope="session")
def calm_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(calm_model(), tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="session")
def fixed(calm_checkpoint: Path, export: Export) -> Subject:
    """One image of 256x256, float32, projection; the fastest to run."""
    return export(calm_model(), calm_checkpoint, **ONE)


@pytest.fixture(scope="session")
def half(calm_checkpoint: Path, export: Export) -> Subject:
    """The source of ``fixed`` in half precision, any batch of 256x256."""
    return export(calm_model(), calm_checkpoint, size=256, precision="fp16")


@pytest.fixture(scope="session")
def for_ort(calm_checkpoint: Path, export: Export) -> Subject:
    """The source of ``fixed`` with transposed convolutions as convolutions."""
    return export(calm_model(), calm_checkpoint, **ONE, target="ort")


@pytest.fixture(scope="session")
def residual_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = calm_model(fill="interpolated", prediction="residual")
    return saved(model, tmp_path_factory.mktemp("residual"))


@pytest.fixture(scope="session", params=["fp32", "fp16"])
def residual(request: pytest.FixtureRequest, residual_checkpoint: Path, export: Export) -> Subject:
    """A model that adds to interpolation: one image of 256x256 in each precision."""
    model = checkpoint.load(residual_checkpoint)
    return export(model, residual_checkpoint, **ONE, precision=request.param)


@pytest.fixture(scope="session", params=["conv", "none"])
def ablation(
    request: pytest.FixtureRequest, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    """The paper's ablations, as small as they get."""
    model = make_model(ModelConfig(width=1, attention=request.param))
    return export(model, saved(model, tmp_path_factory.mktemp(request.param)), **ONE)


@pytest.fixture
def altered(fixed: Subject, tmp_path: Path) -> Alter:
    """Return a function that writes a changed copy of ``fixed``."""

    def write(change: Callable[[onnx.ModelProto], object]) -> Path:
        model = copy.deepcopy(fixed.proto)
        change(model)
        onnx.save(model, tmp_path / "altered.onnx")
        return tmp_path / "altered.onnx"

    return write
