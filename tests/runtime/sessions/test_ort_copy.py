"""ONNX Runtime starts from the optimised copy, and from the model whenever that is not right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime import Inpainter, open_session
from csakit.runtime.cli.inpaint import main
from csakit.runtime.sessions import model_cache, ort_session
from csakit.runtime.sessions.model_cache import BESIDE, ENTRY_FILE, MODEL_FILE, WEIGHTS_FILE

from ..conftest import mean_model
from .conftest import add_to_result, model_with_weights, pixels


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mean model with weights: it adds zeros to its result."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_cache, "MIN_BYTES", 1)
    onnx.save(model_with_weights(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that ONNX Runtime is given."""
    files: list[Path] = []
    create = onnxruntime.InferenceSession

    def recording(path: str, *arguments: object, **options: object) -> object:
        files.append(Path(path))
        return create(path, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recording)
    return files


def entry_of(model: Path) -> Path:
    [entry] = (model.parent / BESIDE).iterdir()
    return entry


def stamp(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]


def run(model: Path, *, cache: bool = True) -> np.ndarray:
    session = open_session(model, threads=1, cache=cache)
    result = session.run_uint8(*pixels(np.random.default_rng(0), 1, (256, 256)))
    session.close()
    return result


def test_the_first_start_makes_a_copy_and_the_next_opens_it(
    model: Path, opened: list[Path]
) -> None:
    results = [run(model), run(model)]

    assert opened == [model, entry_of(model) / MODEL_FILE]
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0], run(model, cache=False))
    assert opened[-1] == model


def test_what_the_export_wrote_is_in_the_copy_too(model: Path) -> None:
    first, second = (open_session(model, threads=1) for _ in range(2))

    assert first.metadata == second.metadata
    assert (first.io, first.batch, first.size) == (second.io, second.batch, second.size)


def test_a_copy_that_is_no_model_is_a_line_and_the_model_runs(
    model: Path, opened: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    expected = run(model)
    entry = entry_of(model)
    (entry / MODEL_FILE).write_bytes(b"not a model")
    stated = json.loads((entry / ENTRY_FILE).read_text())
    stated["files"][MODEL_FILE] = stamp(entry / MODEL_FILE)  # as if it were right
    (entry / ENTRY_FILE).write_text(json.dumps(stated))

    np.testing.assert_array_equal(run(model), expected)

    assert f"the optimised copy of {model} in {entry} is removed: " in caplog.text
    assert opened[-2:] == [entry / MODEL_FILE, model]
    assert not entry.exists()
    run(model)
    assert entry.exists()


def test_damaged_weights_are_noticed_before_they_are_used(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run(model)
    weights = entry_of(model) / WEIGHTS_FILE
    harmless = weights.read_bytes()
    weights.write_bytes(b"\x00\x00\x80\x3f" * (len(harmless) // 4))  # ones

    np.testing.assert_array_equal(run(model), expected)
    assert "is damaged" in caplog.text
    assert weights.read_bytes() == harmless  # made anew


def test_a_broken_model_is_refused_as_without_a_cache(model: Path) -> None:
    model.write_bytes(b"broken")

    told = set()
    for cache in (True, False):
        with pytest.raises(ContractError, match="must be a complete ONNX model") as raised:
            open_session(model, cache=cache)
        told.add(str(raised.value))

    assert len(told) == 1
    assert not (model.parent / BESIDE).exists()


def test_processes_that_start_at_once_agree_and_leave_one_entry(model: Path) -> None:
    program = f"""
import sys, numpy as np
from pathlib import Path
from csakit.runtime import Inpainter
from csakit.runtime.sessions import model_cache, ort_session
model_cache.MIN_BYTES = 1
image = np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(256, 256, 3)
hole = np.zeros((256, 256), bool); hole[50:90, 20:70] = True
with Inpainter.open({str(model)!r}, threads=1) as inpaint:
    sys.stdout.write(str(inpaint(image, hole).astype(int).sum()))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    answers = [(*process.communicate(), process.returncode) for process in processes]

    assert len(set(answers)) == 1
    assert answers[0][1:] == (b"", 0)
    assert {path.name for path in entry_of(model).iterdir()} == {
        *(ENTRY_FILE, MODEL_FILE, WEIGHTS_FILE)
    }


def test_the_command_and_the_class_can_do_without(model: Path, files: list[str]) -> None:
    output = str(model.with_name("out.png"))
    arguments = [*files, "--model", str(model), "--overwrite", "-o", output]

    Inpainter.open(model, cache=False).close()
    assert main([*arguments, "--no-cache"]) == 0
    assert not (model.parent / BESIDE).exists()
    assert main(arguments) == 0
    assert entry_of(model).name.startswith("m-")


def bytes_model(path: Path, weight: float) -> Path:
    """A model of bytes that adds a weight to its result."""
    added = np.full((1, 256, 256, 3), weight, np.float32)
    onnx.save(add_to_result(mean_model(io="uint8", size=(256, 256)), added), path)
    return path


def test_weights_are_checked_before_the_copy_is_made_and_not_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []
    monkeypatch.setattr(ort_session, "require_finite_weights", checked.append)
    path = bytes_model(model.parent / "bytes.onnx", 0)

    for _ in range(3):
        open_session(path, threads=1).close()

    assert checked == [path]


@pytest.mark.parametrize("cache", [True, False])
def test_a_model_of_bytes_with_weights_that_are_no_numbers_never_opens(
    model: Path, cache: bool
) -> None:
    path = bytes_model(model.parent / "bytes.onnx", float("nan"))

    for _ in range(2):
        with pytest.raises(ContractError, match=r"finite and below .*'added' of .*bytes\.onnx"):
            open_session(path, threads=1, cache=cache)

    assert list((model.parent / BESIDE).glob("bytes*")) == []
