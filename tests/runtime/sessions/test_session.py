"""Sessions take what the contract says, refuse everything else, and say why."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from csakit.plugins.errors import ContractError, EngineError, LibraryError
from csakit.runtime import open_session
from csakit.runtime.contract import META_CHECKPOINT, META_FORMAT, META_MAX_BATCH, META_VERSION
from csakit.runtime.sessions.session import Backend
from helpers.python import succeed
from onnx import TensorProto, helper

from ..conftest import METADATA, MakeModel, mean_model
from .conftest import numbers, pixels


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_both_forms_run_on_both_models(
    make_model: MakeModel, backend: Backend, io: str, rng: np.random.Generator
) -> None:
    image, hole = pixels(rng)
    session = open_session(make_model(io=io), backend=backend, threads=1)

    repaired = session.run_uint8(image, hole * 255)
    floats = session.run(*numbers(image, hole))

    assert (session.io, session.batch, session.size) == (io, None, None)
    assert (floats.dtype, repaired.dtype) == (np.float32, np.uint8)
    known = np.broadcast_to(hole == 0, image.shape)
    np.testing.assert_array_equal(repaired[known], image[known])
    last = floats.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(last[known], numbers(image, hole)[0].transpose(0, 2, 3, 1)[known])
    assert np.abs((last + 1) * 127.5 - repaired).max() <= 0.51  # half a step, from rounding


def test_what_the_export_wrote_is_readable(make_model: MakeModel, backend: Backend) -> None:
    session = open_session(make_model(size=(256, 512), batch=3), backend=backend)

    assert session.metadata[META_CHECKPOINT] == METADATA[META_CHECKPOINT]
    assert (session.batch, session.size) == (3, (256, 512))


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        ({"dtype": np.float64}, {}, r"image must be \(B, 3, H, W\) float32; got .* float64"),
        ({"shape": (2, 1, 256, 512)}, {}, r"image must be \(B, 3, H, W\)"),
        ({"shape": (3, 256, 512)}, {}, r"image must be \(B, 3, H, W\)"),
        ({}, {"shape": (2, 3, 256, 512)}, r"mask must be \(B, 1, H, W\)"),
        ({}, {"shape": (1, 1, 256, 512)}, "must agree in B, H, W"),
        ({"shape": (2, 3, 256, 500)}, {"shape": (2, 1, 256, 500)}, "multiples of 256.*W=500"),
        ({"shape": (0, 3, 256, 256)}, {"shape": (0, 1, 256, 256)}, "B must be positive"),
        ({"fill": np.nan}, {}, r"image must be finite and in \[-1, 1\]; got values from nan"),
        ({"fill": np.inf}, {}, "got values from -?inf|to inf"),
        ({"fill": 255}, {}, r"in \[-1, 1\]; got values from 255 to 255"),
        ({}, {"fill": 255}, r"mask must be finite and in \[0, 1\]"),
        ({}, {"fill": np.nan}, "mask must be finite"),
    ],
)
def test_other_tensors_are_refused(
    *,
    make_model: MakeModel,
    backend: Backend,
    image: dict[str, Any],
    mask: dict[str, Any],
    message: str,
) -> None:
    def tensor(channels: int, change: dict[str, Any]) -> np.ndarray:
        shape = change.get("shape", (2, channels, 256, 512))
        return np.full(shape, change.get("fill", 0), dtype=change.get("dtype", np.float32))

    session = open_session(make_model(), backend=backend)

    with pytest.raises(ContractError, match=message):
        session.run(tensor(3, image), tensor(1, mask))


def test_other_pixels_are_refused(make_model: MakeModel) -> None:
    session = open_session(make_model(io="uint8"))
    image, hole = np.zeros((1, 256, 256, 3), np.uint8), np.zeros((1, 256, 256, 1), np.uint8)

    with pytest.raises(ContractError, match=r"image must be \(B, H, W, 3\) uint8"):
        session.run_uint8(image.astype(np.float32), hole)
    with pytest.raises(ContractError, match=r"mask must be \(B, H, W, 1\) uint8; got .* bool"):
        session.run_uint8(image, hole.astype(bool))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (256, 256)}, r"takes images of 256 x 256 .*; got 512 x 256"),
        ({"batch": 1}, "takes batches of 1; got 2"),
        ({"metadata": {**METADATA, META_MAX_BATCH: "1"}}, "batches of at most 1; got 2"),
    ],
)
def test_a_model_of_one_size_names_it(
    *,
    make_model: MakeModel,
    backend: Backend,
    rng: np.random.Generator,
    change: dict[str, Any],
    message: str,
) -> None:
    session = open_session(make_model(**change), backend=backend)

    with pytest.raises(ContractError, match=message):
        session.run(*numbers(*pixels(rng)))
    with pytest.raises(ContractError, match=message):
        session.run_uint8(*pixels(rng))


def test_a_closed_session_says_so(
    make_model: MakeModel, backend: Backend, rng: np.random.Generator
) -> None:
    session = open_session(make_model(), backend=backend)
    session.run_uint8(*pixels(rng))

    session.close()
    session.close()

    with pytest.raises(EngineError, match=r"session of .*model\.onnx is closed; open it again"):
        session.run_uint8(*pixels(rng))


@pytest.mark.parametrize("name", ["model.onnx.bak", "model.pth", "model"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    with pytest.raises(ContractError, match=r"must be \.onnx or \.engine; got"):
        open_session(tmp_path / name)


def test_an_engine_is_diagnosed_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "model.engine").write_bytes(b"a plan")

    with pytest.raises(EngineError, match=r"has no manifest \(model\.engine\.json\)"):
        open_session(tmp_path / "model.engine")


def test_an_absent_model_is_named(tmp_path: Path, backend: Backend) -> None:
    with pytest.raises(ContractError, match=r"must be an existing file; got .*absent\.onnx"):
        open_session(tmp_path / "absent.onnx", backend=backend)
    with pytest.raises(ContractError, match="threads must be 1 to 1024; got 0"):
        open_session(tmp_path / "absent.onnx", backend=backend, threads=0)


@pytest.mark.parametrize("change", ["IR version", "opset", "operator"])
def test_a_model_of_a_newer_version_is_not_called_damaged(
    make_model: MakeModel, change: str
) -> None:
    path = make_model()
    model = onnx.load(path)
    if change == "IR version":
        model.ir_version = 99
    elif change == "opset":
        model.opset_import[0].version = 99
    else:
        model.graph.node[0].op_type = "OfTomorrow"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(ContractError, match=r"of a version that onnxruntime .*\nUpdate it: pip"):
        open_session(path, cache=False)


@pytest.mark.parametrize("content", [0, 10, 0.5, 0.99, b"no model", b"\x08\x09"])
def test_a_truncated_model_or_another_file_is_refused(
    make_model: MakeModel, backend: Backend, content: float | bytes
) -> None:
    path = make_model()
    if not isinstance(content, bytes):  # bytes that are kept, or their share
        data = path.read_bytes()
        content = data[: int(content if content >= 1 else content * len(data))]
    path.write_bytes(content)

    with pytest.raises(ContractError, match=r"(complete|whole) ONNX|is not a model"):
        open_session(path, backend=backend)


def test_external_weights_are_found_and_their_absence_is_named(tmp_path: Path) -> None:
    model = mean_model()
    weights = onnx.numpy_helper.from_array(np.ones(4096, dtype=np.float32), "unused")
    model.graph.initializer.append(weights)
    model.graph.node[3].input[0] = "ones"
    model.graph.node.insert(0, helper.make_node("ReduceMax", ["unused"], ["ones"], keepdims=0))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data")

    open_session(path).close()
    (tmp_path / "model.onnx.data").unlink()

    with pytest.raises(ContractError, match=r"with the \.weights file beside it"):
        open_session(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"metadata": {}},
            r"not a model exported by csakit: its metadata must hold",
        ),
        ({"metadata": {META_FORMAT: "one"}}, "got 'one'"),
        (
            {"names": ("image", "hole", "result")},
            r"model\.onnx must have the inputs image, mask and the output output; got hole, image "
            r"and result\nExport it again: csakit export CHECKPOINT\.safetensors -o model\.onnx",
        ),
        ({"size": (100, 100)}, "both multiples of 256; got H=100, W=100"),
        ({"size": (256, "W")}, "both be dynamic"),
        (
            {"metadata": {META_FORMAT: "2", META_VERSION: "0.9.0"}},
            r"has format 2, written by csakit 0\.9\.0(.|\n)*pip install 'csakit>=0\.9\.0'",
        ),
        ({"metadata": {META_FORMAT: "2"}}, "pip install --upgrade csakit"),
    ],
)
def test_a_model_that_is_not_ours_is_refused_with_the_reason(
    make_model: MakeModel, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        open_session(make_model(**change))


def test_a_failing_model_is_an_engine_error(tmp_path: Path, rng: np.random.Generator) -> None:
    model = mean_model()
    model.graph.node[-1].input[0] = "wrong"
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [7])
    model.graph.initializer.append(shape)
    model.graph.node.insert(11, helper.make_node("Reshape", ["filled", "shape"], ["wrong"]))
    onnx.save(model, tmp_path / "model.onnx")

    with pytest.raises(EngineError, match=r"failed on \(2, 3, 256, 512\)"):
        open_session(tmp_path / "model.onnx").run(*numbers(*pixels(rng)))


def test_an_absent_library_names_the_extra(
    make_model: MakeModel, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, backend, None)

    extra = {"onnxruntime": "runtime"}.get(backend, backend)
    with pytest.raises(LibraryError, match=rf"pip install 'csakit\[{extra}\]'"):
        open_session(make_model(), backend=backend)


def test_importing_the_runtime_loads_no_framework() -> None:
    heavy = "torch onnxruntime onnx tqdm scipy skimage PIL.PngImagePlugin importlib.metadata"
    program = f"""
import sys, numpy, time
started = time.perf_counter()
import csakit.runtime
seconds = time.perf_counter() - started
print([name for name in "{heavy}".split() if name in sys.modules], seconds)
"""
    runs = [succeed(program).rsplit(" ", 1) for _ in range(3)]

    assert {loaded for loaded, _ in runs} == {"[]"}
    assert min(float(seconds) for _, seconds in runs) < 0.2
