"""Copies lie where only this user writes, and never fill a disk."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from csakit.runtime.sessions import cache_folder
from csakit.runtime.sessions.cache_folder import (
    BESIDE,
    ENTRY_FILE,
    entry_path,
    folders_for,
    has_room,
    prepare,
    prune,
    trusted,
)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "m.onnx"


def make_entry(folder: Path, model: Path, key: str, used: int, size: int = 10) -> Path:
    entry = entry_path(folder, model, key)
    entry.mkdir()
    (entry / "model.weights").write_bytes(bytes(size))
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
    monkeypatch.setattr(cache_folder, "_trusted_users", lambda: {other})

    assert folders_for(model) == [tmp_path / "cache/csakit/models"]
    assert not prepare(model.parent / BESIDE)
    assert not (model.parent / BESIDE).exists()


def test_what_the_system_installed_may_be_read_but_is_not_added_to(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4242)
    monkeypatch.setattr(cache_folder, "_trusted_users", lambda: {owner, owner + 4242})

    assert folders_for(model)[0] == model.parent / BESIDE
    assert not prepare(model.parent / BESIDE)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o702])
def test_what_others_can_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)

    assert not trusted(folder)
    assert not prepare(folder)


def test_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert trusted(tmp_path)
    assert not trusted(tmp_path / "link")


def test_a_folder_that_cannot_be_made_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / BESIDE).touch()  # a file

    assert not prepare(tmp_path / BESIDE)
    monkeypatch.setattr(os, "access", lambda *_: False)  # a mount that is read-only
    assert not prepare(tmp_path / "folder")


def test_an_entry_must_fit_into_the_bound_and_leave_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_room(tmp_path, 1)
    assert not has_room(tmp_path, cache_folder.MAX_BYTES + 1)
    monkeypatch.setattr(cache_folder.shutil, "disk_usage", lambda _: SimpleNamespace(free=199))
    assert has_room(tmp_path, 99)
    assert not has_room(tmp_path, 100)


def test_of_one_model_the_two_entries_used_last_stay(model: Path, tmp_path: Path) -> None:
    entries = [make_entry(tmp_path, model, str(used), used) for used in (30, 10, 20, 5)]
    other = make_entry(tmp_path, tmp_path / "other.onnx", "k", 1)
    newest = entries[3]  # just made, whatever its time

    prune(tmp_path, newest, model)

    assert [entry.exists() for entry in (*entries, other)] == [True, False, False, True, True]


def test_over_the_bound_the_least_recently_used_go(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "MAX_BYTES", 350)
    entries = [
        make_entry(tmp_path, tmp_path / f"{name}.onnx", "k", used, size=100)
        for name, used in (("a", 10), ("b", 30), ("c", 20))
    ]
    newest = make_entry(tmp_path, model, "k", 40, size=100)

    prune(tmp_path, newest, model)

    assert [entry.exists() for entry in (*entries, newest)] == [False, True, True, True]


def test_what_a_killed_process_left_goes_after_an_hour(model: Path, tmp_path: Path) -> None:
    newest = make_entry(tmp_path, model, "k", 40)
    for name, age in ((".m-k.0", 3601), (".m-k.1", 60)):
        (tmp_path / name).mkdir()
        past = newest.stat().st_mtime - age
        os.utime(tmp_path / name, (past, past))

    prune(tmp_path, newest, model)

    assert not (tmp_path / ".m-k.0").exists()
    assert (tmp_path / ".m-k.1").exists()
