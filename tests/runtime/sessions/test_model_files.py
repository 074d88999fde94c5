"""Model files behind links, unreadable ones, too little memory, and what is printed of it."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest
from csakit.plugins.errors import ContractError, ResourceError
from csakit.runtime import open_session
from csakit.runtime.sessions import ort_session
from helpers.python import run_program, succeed

from ..conftest import MakeModel
from .conftest import model_with_weights


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with weights in a file beside it."""
    path = tmp_path / "real" / "m.onnx"
    path.parent.mkdir()
    external = {"save_as_external_data": True, "location": "m.weights", "size_threshold": 1024}
    onnx.save(model_with_weights(), path, **external)
    return path


def opens(path: Path, backend: str) -> None:
    open_session(path, backend=backend, threads=1, cache=False).close()


@pytest.mark.parametrize("kind", ["link", "relative link", "link to a link", "hard links"])
def test_a_model_behind_links_opens(tmp_path: Path, model: Path, backend: str, kind: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = other / "m.onnx"
    if kind == "hard links":
        for file in model.parent.iterdir():
            (other / file.name).hardlink_to(file)
    elif kind == "link to a link":
        (other / "first.onnx").symlink_to(model)
        path.symlink_to("first.onnx")
    else:
        path.symlink_to("../real/m.onnx" if kind == "relative link" else model)

    opens(path, backend)


def test_a_cache_of_links_into_blobs_opens_or_is_told_as_links(
    tmp_path: Path, model: Path, backend: str
) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    for number, file in enumerate(sorted(model.parent.iterdir())):
        file.rename(blobs / str(number))
        (snapshot / file.name).symlink_to(f"../blobs/{number}")

    if backend == "onnxruntime":
        opens(snapshot / "m.onnx", backend)
    else:
        with pytest.raises(ContractError, match=r"through links; .*m\.weights.*\n.*cp -L"):
            opens(snapshot / "m.onnx", backend)


def test_a_link_whose_weights_are_nowhere_is_refused(tmp_path: Path, model: Path) -> None:
    (model.parent / "m.weights").unlink()
    (tmp_path / "linked.onnx").symlink_to(model)

    with pytest.raises(ContractError, match="complete ONNX model"):
        opens(tmp_path / "linked.onnx", "onnxruntime")


@pytest.mark.parametrize("number", [13, 5, 24])
def test_a_file_that_cannot_be_read_is_told_with_the_reason(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, backend: str, number: int
) -> None:
    path = make_model()
    original = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise OSError(number, os.strerror(number), str(self))
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises((ContractError, ResourceError), match=os.strerror(number)) as raised:
        open_session(path, backend=backend)
    assert "opy it again" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        RuntimeError("Failed to allocate memory for requested buffer of size 1024"),
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_too_little_memory_is_told_as_that(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, error: Exception, cache: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    path = make_model()
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ResourceError, match="too little memory"):
        open_session(path, cache=cache)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("change", [cut, lambda _: b""])
@pytest.mark.parametrize("part", ["m.onnx", "m.weights"])
def test_what_is_wrong_is_said_once_and_without_the_library_s_log(
    model: Path, part: str, change: Callable[[bytes], bytes]
) -> None:
    file = model.parent / part
    file.write_bytes(change(file.read_bytes()))
    program = (
        "import sys; from csakit.runtime import open_session as o; o(sys.argv[1], cache=False)"
    )

    done = run_program(program, model)

    assert "ContractError" in done.stderr
    assert "[E:" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : it is bad", "it is bad"),
        ("/src/a/b.cc:79 onnx::Type::Type(const X&, int) [E] : 1 : FAIL : c.cc:12 Get it", "it"),
        ("first\nsecond", "first"),
        ("", "ValueError"),
    ],
)
def test_a_reason_holds_no_places_in_the_library_s_source(said: str, told: str) -> None:
    assert ort_session.reason(ValueError(said)) == told


CHANGED = """
import os, sys
from pathlib import Path
import numpy as np
from csakit.runtime import open_session
model, backend, change = sys.argv[1:]
session = open_session(model, backend=backend, threads=1, cache=False)
image = np.zeros((1, 256, 256, 3), np.uint8)
before = session.run_uint8(image, image[..., :1])
for path in Path(model).parent.iterdir():
    with path.open("r+b") as file:
        if change == "cut":
            file.truncate(0)
        else:
            file.write(b"\\x3f" * path.stat().st_size)
assert np.array_equal(session.run_uint8(image, image[..., :1]), before)
"""


@pytest.mark.parametrize("change", ["cut", "overwritten"])
@pytest.mark.parametrize("external", [True, False])
def test_files_that_change_in_place_do_not_reach_an_open_model(
    model: Path, backend: str, change: str, external: bool
) -> None:
    if not external:
        onnx.save(onnx.load(model), model)
        model.with_name("m.weights").unlink()

    succeed(CHANGED, model, backend, change)
