"""An export gets its name only when it is whole and right; otherwise nothing changes."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from csakit.export import exporter
from csakit.export.config import ExportConfig
from csakit.export.exporter import export_onnx
from csakit.plugins.errors import ContractError, EngineError
from helpers.exported import Subject
from onnx import numpy_helper

FIXED = ExportConfig(size=256, max_batch=1)
LOST = "refinement.levels.0.narrow.weight"


@pytest.fixture
def traced(fixed: Subject, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Replace tracing, which takes seconds, by the graph of ``fixed``."""
    monkeypatch.setattr(exporter, "_trace", lambda wrapper, config: onnx.load(fixed.path))
    monkeypatch.setattr(exporter.surgery, "finish", lambda *arguments, **options: None)
    return monkeypatch


def forget_a_weight(model: onnx.ModelProto, *arguments: object, **options: object) -> None:
    """Set the weights of one convolution to zero."""
    (weight,) = (t for t in model.graph.initializer if t.name.endswith(LOST))
    weight.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(weight), weight.name))


def interrupt(*arguments: object, **options: object) -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


def test_two_exports_of_one_checkpoint_are_equal_byte_by_byte(
    fixed: Subject, tmp_path: Path
) -> None:
    again = export_onnx(str(fixed.checkpoint), str(tmp_path / "again.onnx"), FIXED)

    assert again.model.read_bytes() == fixed.path.read_bytes()
    assert again.weights is None
    assert again.report.passed


@pytest.mark.parametrize("external", [False, True])
def test_a_graph_that_lost_a_weight_never_gets_its_name(
    fixed: Subject, traced: pytest.MonkeyPatch, tmp_path: Path, external: bool
) -> None:
    traced.setattr(exporter.surgery, "finish", forget_a_weight)
    config = ExportConfig(size=256, max_batch=1, external_weights=external)

    with pytest.raises(EngineError, match=r"(?s)differs from .*nothing was written.*FAILED"):
        export_onnx(fixed.checkpoint, tmp_path / "model.onnx", config)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", ["_trace", "_write", "verify_model"])
def test_an_interrupted_export_leaves_an_existing_model_as_it_was(
    fixed: Subject, traced: pytest.MonkeyPatch, tmp_path: Path, stage: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"the model of yesterday")
    traced.setattr(exporter, stage, interrupt)

    with pytest.raises(KeyboardInterrupt):
        export_onnx(fixed.checkpoint, tmp_path / "model.onnx", FIXED)

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"the model of yesterday"


def test_an_export_replaces_an_existing_model(
    fixed: Subject, traced: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"the model of yesterday")

    export_onnx(fixed.checkpoint, tmp_path / "model.onnx", FIXED)

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == fixed.path.read_bytes()


def test_external_weights_of_another_content_get_another_name(
    fixed: Subject, traced: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = ExportConfig(size=256, max_batch=1, external_weights=True)
    first = export_onnx(fixed.checkpoint, tmp_path / "model.onnx", config)
    old = (tmp_path / "model.onnx").read_bytes()
    traced.setattr(exporter, "verify_model", lambda *arguments: first.report)
    traced.setattr(exporter.surgery, "finish", forget_a_weight)

    second = export_onnx(fixed.checkpoint, tmp_path / "model.onnx", config)

    assert first.weights is not None
    assert second.weights is not None
    assert first.weights.name != second.weights.name
    (tmp_path / "old.onnx").write_bytes(old)
    assert onnx.load(tmp_path / "old.onnx").graph.initializer


def refused(checkpoint: Path, output: Path, *, match: str) -> None:
    """Export and expect a message."""
    with pytest.raises(ContractError, match=match):
        export_onnx(checkpoint, output, FIXED)


def never(*arguments: object) -> None:
    """Fail in place of work that must not begin."""
    pytest.fail("the work began before the output was checked")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("model.pb", r"must end in \.onnx; got model\.pb"),
        ("model", r"must end in \.onnx; got model"),
        ("nowhere/model.onnx", r"(?s)cannot write .*No such file.*existing folder"),
        ("file/model.onnx", r"(?s)cannot write .*Not a directory.*existing folder"),
        ("folder.onnx", r"the output must be a file; .*folder\.onnx is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    fixed: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, match: str
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(exporter, "_trace", never)

    refused(fixed.checkpoint, tmp_path / name, match=match)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.onnx"]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def garble(content: bytes) -> bytes:
    return bytes(255 - byte for byte in content)


@pytest.mark.parametrize(
    "damage", [cut, garble, lambda content: b""], ids=["cut", "garbled", "empty"]
)
def test_a_damaged_checkpoint_is_refused(
    fixed: Subject, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    checkpoint = tmp_path / "damaged.safetensors"
    checkpoint.write_bytes(damage(fixed.checkpoint.read_bytes()))

    refused(checkpoint, tmp_path / "model.onnx", match=r"damaged\.safetensors is not a readable")

    assert [path.name for path in tmp_path.iterdir()] == ["damaged.safetensors"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    refused(
        tmp_path / "none.safetensors",
        tmp_path / "model.onnx",
        match=r"no checkpoint at .*none\.safetensors",
    )
