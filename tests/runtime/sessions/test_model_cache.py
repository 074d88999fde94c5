"""A copy is used when everything it was made from is as it was, and never otherwise."""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from csakit.runtime.sessions import cache_folder, model_cache
from csakit.runtime.sessions.cache_folder import BESIDE, ENTRY_FILE
from csakit.runtime.sessions.model_cache import MODEL_FILE, WEIGHTS_FILE, CachedModel

BUILD = {"onnxruntime": "1.99"}
LOCATION = b"\n\x08location\x12"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that names its weights as ONNX does, and is as large as models are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_cache, "processor_kind", lambda: "a processor")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "w.weights").write_bytes(bytes(model_cache.MIN_BYTES))
    (folder / "m.onnx").write_bytes(b"graph" + LOCATION + b"\x09w.weights")
    return folder / "m.onnx"


def write(target: Path) -> None:
    """Stand in for the library."""
    target.write_bytes(b"optimised")
    (target.parent / WEIGHTS_FILE).write_bytes(b"weights")


@pytest.fixture
def entry(model: Path) -> Path:
    """The folder of a finished entry."""
    copy = CachedModel.of(model, BUILD)
    assert copy.make(write)
    found = copy.find()
    assert found is not None
    return found.parent


def test_a_copy_is_found_again_with_what_was_written(model: Path, entry: Path) -> None:
    assert CachedModel.of(model, BUILD).find() == entry / MODEL_FILE
    assert entry.parent == model.parent / BESIDE
    assert (entry / MODEL_FILE).read_bytes() == b"optimised"
    assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o600}


def test_before_the_first_copy_there_is_none_and_no_folder(model: Path) -> None:
    assert CachedModel.of(model, BUILD).find() is None
    assert not (model.parent / BESIDE).exists()


@pytest.mark.usefixtures("entry")
def test_another_library_or_processor_makes_its_own(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CachedModel.of(model, {"onnxruntime": "2.0"}).find() is None
    monkeypatch.setattr(model_cache, "processor_kind", lambda: "another processor")
    assert CachedModel.of(model, BUILD).find() is None


def test_without_a_known_processor_there_is_no_copy(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "processor_kind", lambda: None)
    copy = CachedModel.of(model, BUILD)

    assert not copy.make(write)
    assert copy.find() is None


@pytest.mark.parametrize("name", ["m.onnx", "w.weights"])
@pytest.mark.usefixtures("entry")
def test_a_changed_model_is_noticed_and_its_copy_replaced(
    model: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = model.parent / name
    time = path.stat().st_mtime
    path.write_bytes(path.read_bytes().replace(b"graph", b"GRAPH") + b"\0")
    os.utime(path, (time, time))
    copy = CachedModel.of(model, BUILD)

    assert copy.find() is None
    assert copy.make(write)
    assert copy.find() is not None
    assert caplog.records == []  # nothing is wrong
    assert len(list((model.parent / BESIDE).iterdir())) == 1


def test_weights_that_are_gone_are_noticed(model: Path, entry: Path) -> None:
    (model.parent / "w.weights").unlink()

    assert entry.exists()
    assert CachedModel.of(model, BUILD).find() is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "harm", "problem"),
    [
        (MODEL_FILE, truncate, "damaged"),
        (WEIGHTS_FILE, truncate, "damaged"),
        (WEIGHTS_FILE, Path.unlink, "unreadable"),
        (ENTRY_FILE, lambda path: path.write_bytes(b"\xff"), "unreadable"),
        (ENTRY_FILE, lambda path: path.write_text("[]"), "unreadable"),
        (ENTRY_FILE, lambda path: path.write_text("{}"), "unreadable"),
        (MODEL_FILE, lambda path: path.chmod(0o666), "open to other users"),
        (WEIGHTS_FILE, lambda path: path.parent.chmod(0o777), "open to other users"),
        (WEIGHTS_FILE, lambda path: path.parent.parent.chmod(0o777), "open to other users"),
    ],
)
def test_a_copy_that_is_not_right_is_a_line_and_made_anew(
    *,
    model: Path,
    entry: Path,
    name: str,
    harm: Callable[[Path], object],
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm(entry / name)
    copy = CachedModel.of(model, BUILD)

    assert copy.find() is None
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the optimised copy of {model} in {entry} is not used: it is {problem}")
    if problem != "open to other users":  # then it goes elsewhere, or the folder is repaired
        assert copy.make(write)
        assert copy.find() == entry / MODEL_FILE


def test_an_entry_of_another_environment_under_this_name_is_not_used(
    model: Path, entry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = CachedModel.of(model, {"onnxruntime": "2.0"})
    shutil.copytree(entry, foreign.entries[0])

    assert foreign.find() is None
    assert "is of another environment" in caplog.text


def test_a_folder_that_cannot_be_written_leads_to_the_users_caches(
    model: Path, tmp_path: Path
) -> None:
    (model.parent / BESIDE).touch()  # no folder can be made there
    copy = CachedModel.of(model, BUILD)

    assert copy.make(write)
    found = copy.find()
    assert found is not None
    assert found.parents[1] == tmp_path / "cache/csakit/models"


def test_without_any_place_there_is_no_copy_and_no_warning(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (model.parent / BESIDE).touch()
    (tmp_path / "cache").touch()
    copy = CachedModel.of(model, BUILD)

    assert not copy.make(write)
    assert copy.find() is None
    assert caplog.records == []


def test_a_small_model_has_no_copy(model: Path) -> None:
    (model.parent / "w.weights").write_bytes(b"few")

    assert not CachedModel.of(model, BUILD).make(write)
    assert not (model.parent / BESIDE).exists()


def test_a_full_disk_has_no_copy(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_folder, "MAX_BYTES", 10)

    assert not CachedModel.of(model, BUILD).make(write)


@pytest.mark.parametrize("error", [RuntimeError("the library failed"), OSError("no space left")])
def test_a_failure_leaves_nothing_and_is_told_for_information(
    model: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(target: Path) -> None:
        target.write_bytes(b"half")
        raise error

    with caplog.at_level(logging.INFO):
        assert not CachedModel.of(model, BUILD).make(fail)

    assert list((model.parent / BESIDE).iterdir()) == []
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert str(error) in caplog.text


def test_an_interrupt_leaves_nothing(model: Path) -> None:
    def interrupt(target: Path) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CachedModel.of(model, BUILD).make(interrupt)

    assert list((model.parent / BESIDE).iterdir()) == []


def test_a_model_that_changes_meanwhile_gets_no_copy(model: Path) -> None:
    def export_again(target: Path) -> None:
        write(target)
        (model.parent / "w.weights").write_bytes(bytes(model_cache.MIN_BYTES + 1))

    assert not CachedModel.of(model, BUILD).make(export_again)
    assert CachedModel.of(model, BUILD).find() is None


def test_while_one_process_makes_a_copy_others_go_without(model: Path, entry: Path) -> None:
    handle = os.open(entry.parent, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    assert not CachedModel.of(model, {"onnxruntime": "2.0"}).make(write)
    os.close(handle)
    assert CachedModel.of(model, {"onnxruntime": "2.0"}).make(write)


def test_the_entry_says_what_it_was_made_from(model: Path, entry: Path) -> None:
    stated = json.loads((entry / ENTRY_FILE).read_text())

    assert stated["environment"]["processor"] == "a processor"
    assert stated["environment"]["onnxruntime"] == "1.99"
    assert [*stated["sources"]] == [str(model), str(model.parent / "w.weights")]
    assert [*stated["files"]] == [MODEL_FILE, WEIGHTS_FILE]
