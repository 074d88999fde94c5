"""Model files behind links, unreadable ones, too little memory, and what is printed of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from csakit.plugins.errors import ContractError, ResourceError
from csakit.runtime import open_session
from csakit.runtime.contract import OUTPUT
from csakit.runtime.sessions import ort_session
from onnx import TensorProto, helper, numpy_helper

from ..conftest import MakeModel, mean_model

BACKENDS = ["onnxruntime", "openvino"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A mean model that adds zeros from a file beside it."""
    folder = tmp_path / "real"
    folder.mkdir()
    proto = mean_model(size=(256, 256))
    zeros = np.zeros((1, 1, 256, 256), np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(zeros, "zeros"))
    proto.graph.node[-1].output[0] = "mean result"
    proto.graph.node.append(helper.make_node("Add", ["mean result", "zeros"], [OUTPUT]))
    path = folder / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="m.weights", size_threshold=1024)
    return path


def opens(path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    open_session(path, backend=backend, threads=1, cache=False).close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["link", "relative link", "link to a link", "hard links"])
def test_a_model_behind_links_opens(tmp_path: Path, model: Path, backend: str, kind: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = other / "linked.onnx"
    if kind == "hard links":
        path = other / model.name
        for file in model.parent.iterdir():
            os.link(file, other / file.name)
    elif kind == "relative link":
        path.symlink_to("../real/m.onnx")
    elif kind == "link to a link":
        (other / "first.onnx").symlink_to(model)
        path.symlink_to("first.onnx")
    else:
        path.symlink_to(model)

    opens(path, backend)


@pytest.mark.parametrize("backend", BACKENDS)
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
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_that_cannot_be_read_is_told_with_the_reason(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, backend: str, number: int
) -> None:
    pytest.importorskip(backend)
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

    done = subprocess.run(
        [sys.executable, "-c", program, str(model)], capture_output=True, text=True
    )

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


@pytest.mark.parametrize("cache", [False, True])
def test_bytes_from_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: bool
) -> None:
    proto = mean_model(io="uint8")
    one = next(tensor for tensor in proto.graph.initializer if tensor.name == "one")
    one.CopyFrom(helper.make_tensor("one", TensorProto.FLOAT, [1], [float("nan")]))
    onnx.save(proto, tmp_path / "m.onnx")

    with pytest.raises(ContractError, match=r"finite and below .*'one' of .*m\.onnx"):
        open_session(tmp_path / "m.onnx", cache=cache)


CHANGED = """
import os, sys
import numpy as np
from csakit.runtime import open_session
session = open_session(sys.argv[1], threads=1, cache=False)
image = np.zeros((1, 3, 256, 256), np.float32)
mask = np.zeros((1, 1, 256, 256), np.float32)
before = session.run(image, mask)
weights = sys.argv[1].replace(".onnx", ".weights")
size = os.path.getsize(weights)
with open(weights, "r+b") as file:
    if sys.argv[2] == "cut":
        file.truncate(0)
    else:
        file.write(b"\\x3f" * size)
assert np.array_equal(session.run(image, mask), before)
"""


@pytest.mark.parametrize("change", ["cut", "overwritten"])
def test_weights_that_change_in_place_do_not_reach_an_open_model(model: Path, change: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANGED, model, change], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
