"""The model that comes along: found without a name, checked before it is opened."""

import shutil
from pathlib import Path

import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.models import packaged
from csakit.runtime.models.packaged import resolve_model
from csakit.runtime.sessions.model_cache import BESIDE, folders_for


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packaged files, to be damaged."""
    for name in ("demo.onnx", "demo.onnx.sha256"):
        shutil.copy(packaged.FOLDER / name, tmp_path)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [None, "demo", Path("demo")])
def test_no_name_and_demo_are_the_packaged_model(name: str | Path | None) -> None:
    assert resolve_model(name) == packaged.FOLDER / "demo.onnx"


def test_every_other_name_is_a_path() -> None:
    assert resolve_model("demo.onnx") == Path("demo.onnx")


@pytest.mark.parametrize("name", ["demo.onnx", "demo.onnx.sha256"])
def test_a_missing_file_is_an_error_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(EngineError, match=r"model is missing: .*demo.onnx\nInstall csakit again"):
        resolve_model(None)


def test_one_changed_byte_is_an_error_with_the_remedy(folder: Path) -> None:
    content = bytearray((folder / "demo.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "demo.onnx").write_bytes(content)

    with pytest.raises(EngineError, match=r"(?s)model is damaged: .* has SHA-256 .*--force-reins"):
        resolve_model(None)


def test_no_optimised_copy_is_kept_inside_the_package() -> None:
    assert BESIDE not in [path.name for path in folders_for(packaged.FOLDER / "demo.onnx")]
