"""Failures of the machine are reported as such, in whatever library they occur."""

import bz2
import errno
import gzip
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError, LibraryError, ResourceError
from csakit.runtime import open_session
from csakit.runtime.files.failures import failure
from csakit.runtime.files.onnx_header import read_onnx_header
from csakit.runtime.files.safetensors_header import read_checkpoint_header
from csakit.runtime.images.encode import load_image
from csakit.runtime.images.mask import load_hole
from csakit.runtime.options import MaskOptions


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ValueError("Failed to allocate memory for requested buffer of size 12"),
    ],
)
def test_too_little_memory_is_reported_as_such(error: Exception) -> None:
    problem = failure(error, "read x.png")

    assert isinstance(problem, ResourceError)
    assert str(problem).startswith("cannot read x.png: there is too little memory\n")


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.EACCES, ContractError, "chmod"),
        (errno.EROFS, ContractError, "can be written"),
        (errno.ENAMETOOLONG, ContractError, "Shorten"),
        (errno.ELOOP, ContractError, "circle"),
        (errno.ENOSPC, ResourceError, "Free some space"),
        (errno.EDQUOT, ResourceError, "Free some space"),
        (errno.EFBIG, ResourceError, "ulimit -f"),
        (errno.EMFILE, ResourceError, "ulimit -n"),
    ],
)
def test_an_error_of_the_system_has_its_reason_and_remedy(
    number: int, kind: type, remedy: str
) -> None:
    problem = failure(OSError(number, os.strerror(number), "x.png"), "write x.png")

    assert type(problem) is kind
    first, second = str(problem).split("\n")
    assert first == f"cannot write x.png: {os.strerror(number)}"
    assert remedy in second


def test_libraries_in_rust_state_the_number_in_their_text() -> None:
    problem = failure(RuntimeError("I/O error: No space left on device (os error 28)"), "write x")

    assert isinstance(problem, ResourceError)
    assert "Free some space" in str(problem)


def test_an_error_about_the_content_is_none_of_the_machine_s() -> None:
    assert failure(ValueError("bad header"), "read x") is None
    assert failure(OSError("image file is truncated"), "read x") is None


def test_an_error_of_csakit_stays_what_it_is() -> None:
    error = LibraryError("install it")

    assert failure(error, "read x") is error


PACKED = {
    "gzip": gzip.compress(b"content"),
    "bzip2": bz2.compress(b"content"),
    "xz": lzma.compress(b"content"),
    "zstd": b"\x28\xb5\x2f\xfd\x24\x07",
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "RAR": b"Rar!\x1a\x07\1\0",
}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 33286157\n"
PAGES = ["<!DOCTYPE html>\n<html>", "\ufeff  <HTML lang='en'>", "<head><title>404"]
READERS: dict[str, Callable[[Path], object]] = {
    "i.png": load_image,
    "m.tif": lambda path: load_hole(path, (4, 4), MaskOptions()),
    "m.onnx": read_onnx_header,
    "c.safetensors": read_checkpoint_header,
    "d.onnx": lambda path: open_session(path, cache=False),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, r"is a pointer of Git LFS.*\n.*git lfs pull"),
        *((page, "is a web page") for page in PAGES),
    ],
)
def test_a_placeholder_of_a_file_is_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(ContractError, match=rf"{re.escape(name)} {message}"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_named(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(PACKED[kind] + bytes(300))

    with pytest.raises(ContractError, match=rf"{re.escape(name)} is a packed file .*{kind}.*\nUnp"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOMEM, errno.EMFILE])
def test_what_the_system_refuses_has_its_remedy_in_every_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    (tmp_path / name).write_bytes(b"content")
    original = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> object:  # noqa: ANN401
        if self.name == name:
            raise OSError(number, os.strerror(number), str(self))
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises((ContractError, ResourceError)) as refused:
        READERS[name](tmp_path / name)

    assert str(refused.value).startswith(f"cannot read {tmp_path / name}: ")
    assert "\n" in str(refused.value)


@pytest.mark.parametrize("name", ["x" * 256, "file/", "loop/", "absent/"])
@pytest.mark.parametrize("end", READERS)
def test_a_path_that_cannot_be_resolved_is_refused_by_every_reader(
    tmp_path: Path, name: str, end: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(ContractError, match=r"^(cannot (open|read) |an? (image|mask)|the model)"):
        READERS[end](tmp_path / f"{name}{end}")


def test_what_is_no_file_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    os.mkfifo(tmp_path / "pipe.png")
    reasons = {
        "folder.png": ", a folder",
        "gone.png": ", a link to nowhere.png, which does not exist",
        "circle.png": ", a link that leads in a circle",
        "pipe.png": ", a pipe or a device",
        "absent.png": "",
        "zero\0.png": "",
    }

    for name, reason in reasons.items():
        for what, reader in (("an image", "i.png"), ("a mask", "m.tif")):
            with pytest.raises(ContractError) as refused:
                READERS[reader](tmp_path / name)

            message = f"{what} must be an existing file; got {tmp_path / name}{reason}"
            assert str(refused.value) == message
