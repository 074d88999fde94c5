"""A copy is used when everything it was made from is as it was, and never otherwise.

Copies lie where only this user writes, and never fill a disk.
"""

import fcntl
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from csakit.runtime.files.atomic import _swept
from csakit.runtime.sessions import model_cache
from csakit.runtime.sessions.model_cache import (
    BESIDE,
    ENTRY_FILE,
    MODEL_FILE,
    WEIGHTS_FILE,
    CachedModel,
    folders_for,
    has_room,
    prepare,
    prune,
    trusted,
)
from onnx import TensorProto, helper

BUILD = {"onnxruntime": "1.99"}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that names its weights as ONNX does, and is as large as models are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_cache, "processor_kind", lambda: "a processor")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "w.weights").write_bytes(bytes(model_cache.MIN_BYTES))
    tensor = TensorProto(name="w", dims=[1], data_type=1, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.weights")
    graph = helper.make_graph([], "graph", [], [], [tensor])
    (folder / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
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
    path.write_bytes(path.read_bytes().replace(b"graph", b"GRAPH"))  # of the same size
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


def test_a_copy_lies_in_the_users_caches_where_it_cannot_lie_beside_its_model_or_nowhere(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (model.parent / BESIDE).touch()  # no folder can be made there
    copy = CachedModel.of(model, BUILD)

    assert copy.make(write)
    found = copy.find()
    assert found is not None
    assert found.parents[1] == tmp_path / "cache/csakit/models"
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").touch()
    assert not copy.make(write)
    assert copy.find() is None
    assert caplog.records == []


@pytest.mark.parametrize(("bound", "size"), [("MIN_BYTES", 2 << 20), ("MAX_BYTES", 10)])
def test_a_model_that_is_too_small_or_too_large_has_no_copy(
    model: Path, monkeypatch: pytest.MonkeyPatch, bound: str, size: int
) -> None:
    monkeypatch.setattr(model_cache, bound, size)

    assert not CachedModel.of(model, BUILD).make(write)
    assert not list((model.parent / BESIDE).glob("*"))


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
    with pytest.raises(KeyboardInterrupt):
        CachedModel.of(model, BUILD).make(lambda _: signal.raise_signal(signal.SIGINT))

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

    assert [*stated["sources"]] == [str(model), str(model.parent / "w.weights")]
    assert [*stated["files"]] == [MODEL_FILE, WEIGHTS_FILE]


def make_entry(folder: Path, name: str, used: int) -> Path:
    entry = folder / name
    entry.mkdir()
    (entry / "model.weights").write_bytes(bytes(100))
    (entry / ENTRY_FILE).touch()
    os.utime(entry / ENTRY_FILE, (used, used))
    return entry


def test_beside_the_model_comes_before_the_users_caches(model: Path, tmp_path: Path) -> None:
    folders = folders_for(model)

    assert folders == [model.parent / BESIDE, tmp_path / "cache/csakit/models"]
    assert not any(folder.exists() for folder in folders)
    assert all(prepare(folder) for folder in folders)
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]


def test_nothing_lies_in_the_folders_of_others(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.geteuid() + 4242
    monkeypatch.setattr(os, "geteuid", lambda: other)
    monkeypatch.setattr(model_cache, "_trusted_users", lambda: {other})

    assert folders_for(model) == [tmp_path / "cache/csakit/models"]
    assert not prepare(model.parent / BESIDE)
    assert not (model.parent / BESIDE).exists()


def test_what_the_system_installed_may_be_read_but_is_not_added_to(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4242)
    monkeypatch.setattr(model_cache, "_trusted_users", lambda: {owner, owner + 4242})

    assert folders_for(model)[0] == model.parent / BESIDE
    assert not prepare(model.parent / BESIDE)


def test_what_others_can_write_and_links_are_not_trusted(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)

    assert trusted(folder)
    assert not trusted(link)
    for mode in (0o770, 0o707, 0o702):
        folder.chmod(mode)
        assert not trusted(folder)
        assert not prepare(folder)


def test_a_folder_that_cannot_be_written_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # a mount that is read-only

    assert not prepare(tmp_path / "folder")


def test_an_entry_must_fit_into_the_bound_and_leave_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_room(tmp_path, 1)
    assert not has_room(tmp_path, model_cache.MAX_BYTES + 1)
    monkeypatch.setattr(model_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=199))
    assert has_room(tmp_path, 99)
    assert not has_room(tmp_path, 100)


def test_over_the_bound_the_least_recently_used_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "MAX_BYTES", 350)
    entries = [make_entry(tmp_path, name, used) for name, used in (("a", 10), ("b", 30), ("c", 20))]
    newest = make_entry(tmp_path, "m", 5)  # just made, whatever its time

    prune(tmp_path, newest)

    assert [entry.exists() for entry in (*entries, newest)] == [False, True, True, True]


def test_a_draft_that_a_killed_process_left_goes(model: Path, entry: Path) -> None:
    (entry.parent / ".csakit-01234567").mkdir()
    _swept.clear()

    assert CachedModel.of(model, {"onnxruntime": "2.0"}).make(write)
    assert not (entry.parent / ".csakit-01234567").exists()


def test_times_cut_to_seconds_are_those_of_an_archive_and_other_times_of_another_file(
    model: Path, entry: Path
) -> None:
    copy = CachedModel.of(model, BUILD)
    second = model.stat().st_mtime_ns // 10**9 * 10**9

    os.utime(model, ns=(second, second))
    assert copy.find() == entry / MODEL_FILE
    os.utime(model, ns=(second + 1, second + 1))
    assert copy.find() is None
