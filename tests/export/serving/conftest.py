"""Models to serve, and engines of them that nothing here opens."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csakit.runtime.engine.manifest import Artifact, Manifest, Tensor, manifest_path
from csakit.runtime.engine.shapes import ShapeRange, Span
from helpers.engines import PLAN, PLUGIN, make_manifest
from helpers.exported import Subject

Engine = Callable[..., tuple[Path, Path]]

SHAPES = {"image": (-1, -1, -1, 3), "mask": (-1, -1, -1, 1), "output": (-1, -1, -1, 3)}
TENSORRT = {
    "module": "tensorrt",
    "version": "10.13.3.9",
    "runtimes": ("tensorrt",),
    "targets": ("sm_86",),
    "plugin": PLUGIN,
}


def tensors(shapes: dict[str, tuple[int, ...]], dtype: str = "uint8") -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name=name, role="output" if name == "output" else "input", dtype=dtype, shape=shape)
        for name, shape in shapes.items()
    )


def manifest_for(model: Path, **fields: Any) -> Manifest:  # noqa: ANN401
    """Describe ``PLAN`` as built by TensorRT from a model."""
    from csakit.runtime.files.atomic import sha256

    made = make_manifest(build={**TENSORRT, **fields.pop("build", {})})
    file = Artifact(name=model.name, bytes=model.stat().st_size, sha256=sha256(model))
    source = dataclasses.replace(made.source, model=file, weights=())
    given = {"source": source, "tensors": tensors(SHAPES)} | fields
    return dataclasses.replace(made, **given)


@pytest.fixture
def engine(packed: Subject, tmp_path: Path) -> Engine:
    """Return a function that writes an engine of ``packed`` and returns model and engine."""

    def write(**fields: Any) -> tuple[Path, Path]:  # noqa: ANN401
        path = tmp_path / "model.engine"
        path.write_bytes(PLAN)
        manifest_path(path).write_text(manifest_for(packed.path, **fields).text())
        return packed.path, path

    return write


@pytest.fixture
def no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide every plugin library."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CSAKIT_LIBRARY", raising=False)


def profile(batch: tuple[int, int, int], size: tuple[int, int, int]) -> tuple[ShapeRange]:
    return (ShapeRange(batch=Span(*batch), size=Span(*size)),)
