"""Outputs appear whole or not at all."""

import contextlib
import errno
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError, CsakitError
from csakit.runtime.files import atomic
from csakit.runtime.files.atomic import atomic_write, followed, sha256, staged_folder


def test_the_output_gets_its_name_when_all_went_well(tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    output.write_text("old")

    with atomic_write(output) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".onnx"
        assert output.read_text() == "old"

    assert output.read_text() == "new"
    assert list(tmp_path.iterdir()) == [output]


def test_a_writer_that_makes_files_private_does_not_make_the_output_so(tmp_path: Path) -> None:
    (ordinary := tmp_path / "ordinary").touch()

    with atomic_write(tmp_path / "x.safetensors") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)

    assert (tmp_path / "x.safetensors").stat().st_mode == ordinary.stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_run_leaves_no_half_file(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with atomic_write(tmp_path / "x.png") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        run()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "must be a file"),
        ("absent/x.png", "Choose an existing folder"),
        ("file/x.png", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("zero\0.png", "cannot hold a zero byte"),
        ("\0", "cannot hold a zero byte"),
        ("folder\0/x.png", "cannot hold a zero byte"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ContractError, match=message), atomic_write(tmp_path / name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device", "socket"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.json"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "link to a device":
        path.symlink_to("/dev/null")
    else:
        pipe = path if kind == "pipe" else tmp_path / "pipe"
        os.mkfifo(pipe)
        if kind != "pipe":
            path.symlink_to(pipe)
    before = path.lstat()

    with pytest.raises(ContractError, match="the output must be a file"), atomic_write(path):
        pass

    assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)


@pytest.mark.parametrize("kind", ["absolute", "relative", "link to a link", "through a folder"])
def test_a_link_is_written_through(tmp_path: Path, kind: str) -> None:
    disk, here = tmp_path / "disk", tmp_path / "here"
    disk.mkdir()
    here.mkdir()
    (disk / "x.png").write_text("old")
    (disk / "second.png").symlink_to("x.png")
    (here / "disk").symlink_to(disk)
    link = here / "link.png"
    names = {"absolute": disk / "x.png", "relative": "../disk/x.png"}
    names |= {"link to a link": disk / "second.png", "through a folder": "disk/x.png"}
    link.symlink_to(names[kind])

    with atomic_write(link) as temporary:
        temporary.write_text("new")
        assert (disk / "x.png").read_text() == "old"

    assert str(link.readlink()) == str(names[kind])
    assert (disk / "x.png").read_text() == "new"
    assert not (disk / "x.png").is_symlink()
    assert {path.name for path in disk.iterdir()} == {"x.png", "second.png"}


@pytest.mark.parametrize("writer", [atomic_write, followed])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.png", "a link to nowhere.png, which does not exist"),
        ("absent/x.png", "which does not exist"),
        ("link.png", "a link that leads in a circle"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused_and_stays(
    tmp_path: Path, writer: Callable[[Path], Any], target: str, message: str
) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(target)

    with (
        pytest.raises(ContractError, match=rf"{message}\nRemove the link"),
        contextlib.ExitStack() as s,
    ):
        s.enter_context(writer(link))

    assert list(tmp_path.iterdir()) == [link]
    assert str(link.readlink()) == target


@pytest.mark.parametrize("name", ["null", "stdout", "full", "fd/1"])
def test_no_entry_of_dev_is_replaced(name: str) -> None:
    assert atomic._is_special(Path("/dev", name))  # asked, not tried: root could


def test_the_hash_is_the_well_known_one(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "x").write_bytes(content)

    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "é" * 125 + ".onnx", "a." + "b" * 253])
def test_names_as_long_as_the_file_system_allows_are_written(tmp_path: Path, name: str) -> None:
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("new")

    assert (tmp_path / name).read_text() == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
from csakit.runtime.files import atomic
from csakit.runtime.files.atomic import atomic_write, staged_folder
folder = Path(sys.argv[1])
with atomic_write(folder / "x.png") as one, staged_folder(folder / "y.onnx") as two:
    one.write_text("half")
    (two / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".csakit-notes.png").touch()
    (tmp_path / ".csakit-01234567").touch()
    (tmp_path / "0123abcd.png").touch()

    with atomic_write(tmp_path / "new.png"):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {
        *(".csakit-notes.png", "0123abcd.png", "new.png"),
    }


def test_what_another_run_is_writing_is_left(tmp_path: Path) -> None:
    code = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(1, flush=True); input()")
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()

        with atomic_write(tmp_path / "new.png"), staged_folder(tmp_path / "new.onnx"):
            assert len(list(tmp_path.iterdir())) == 4
        other.communicate("\n", timeout=60)

    assert other.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "new.png"}


@pytest.mark.parametrize("writer", [atomic_write, staged_folder])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_the_disk_refuses_inside_the_block_names_the_output(
    tmp_path: Path, writer: Callable[[Path], AbstractContextManager[Path]], number: int
) -> None:
    def write() -> None:
        with writer(tmp_path / "report.json"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(CsakitError, match=rf"cannot write .*report\.json: {os.strerror(number)}\n"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_another_failure_inside_the_block_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_write(tmp_path / "report.json"):
            raise OSError(errno.EACCES, "Permission denied", "photo.png")

    with pytest.raises(PermissionError, match=r"photo\.png"):
        write()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["touch", "replace", "chmod"])
def test_whatever_call_fails_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "x")

    monkeypatch.setattr(Path, call, fail)

    def write() -> None:
        with atomic_write(tmp_path / "x.png") as temporary:
            temporary.write_text("new")

    with pytest.raises((CsakitError, OSError), match=os.strerror(number)):
        write()
    assert list(tmp_path.iterdir()) == []
