"""Networks on OpenVINO: weights that are refused, CSA as an operator, files that change."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.plugins import spec
from csakit.plugins.errors import ContractError
from csakit.runtime import open_session
from csakit.runtime.contract import IMAGE, MASK, META_IO, OUTPUT
from onnx import TensorProto, helper, numpy_helper

from ..conftest import METADATA
from .conftest import pixels

pytest.importorskip("openvino")


def network(tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """Write a model of a 3x3 convolution between a Relu and a Clip, after a change to it."""
    kernel = np.full((3, 3, 3, 3), 0.01, np.float32)
    nodes = [
        helper.make_node("Conv", [IMAGE, "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Mul", ["relu", MASK], ["inside"]),
        helper.make_node("Clip", ["inside", "low", "high"], [OUTPUT]),
    ]
    shape = ["B", 3, "H", "W"]
    value = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT)
    graph = helper.make_graph(
        nodes,
        "network",
        [value(IMAGE, shape=shape), value(MASK, shape=["B", 1, "H", "W"])],
        [value(OUTPUT, shape=shape)],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.float32(-1), "low"),
            numpy_helper.from_array(np.float32(1), "high"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {META_IO: "float", **METADATA})
    change(model)
    onnx.save(model, tmp_path / "network.onnx")
    return tmp_path / "network.onnx"


def one_weight(value: float) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        kernel = numpy_helper.to_array(model.graph.initializer[0]).copy()
        kernel[1, 2, 0, 1] = value
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel, "kernel"))

    return change


def typed_field(model: onnx.ModelProto) -> None:
    """Store the weights as numbers, not as bytes, and one of them as infinity."""
    tensor = helper.make_tensor("kernel", TensorProto.FLOAT, (3, 3, 3, 3), [np.inf] + [0.0] * 80)
    model.graph.initializer[0].CopyFrom(tensor)


def half_precision(model: onnx.ModelProto) -> None:
    """Store the weights as float16 and cast them in the graph."""
    kernel = np.full((3, 3, 3, 3), np.nan, np.float16)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel, "half"))
    model.graph.node.insert(0, helper.make_node("Cast", ["half"], ["kernel"], to=1))


def constant_node(model: onnx.ModelProto) -> None:
    """Store the weights in a node."""
    kernel = numpy_helper.from_array(np.full((3, 3, 3, 3), np.nan, np.float32))
    del model.graph.initializer[0]
    model.graph.node.insert(0, helper.make_node("Constant", [], ["kernel"], value=kernel))


@pytest.mark.parametrize(
    "change",
    [
        one_weight(np.nan),
        one_weight(np.inf),
        one_weight(-np.inf),
        one_weight(3e38),  # finite; the sum of two products is not
        typed_field,
        half_precision,
        constant_node,
    ],
    ids=["nan", "inf", "-inf", "huge", "typed", "half", "constant"],
)
def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None]
) -> None:
    path = network(tmp_path, change)

    with pytest.raises(ContractError, match=r"finite and below .*network\.onnx has others"):
        open_session(path, backend="openvino")


def test_weights_beside_the_model_are_looked_at_too(tmp_path: Path) -> None:
    path = network(tmp_path, one_weight(np.nan))
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w.weights", size_threshold=0)

    with pytest.raises(ContractError, match="finite and below"):
        open_session(path, backend="openvino")

    (tmp_path / "w.weights").write_bytes(b"\0" * 100)
    with pytest.raises(ContractError, match=r"must have at least \d+ bytes; it has 100"):
        open_session(path, backend="openvino")


def test_sound_weights_are_taken(tmp_path: Path) -> None:
    open_session(network(tmp_path, one_weight(1.0)), backend="openvino").close()


def attention(model: onnx.ModelProto) -> None:
    """Put CSA in the place of the convolution."""
    attributes = {"similarity": "cosine", "plugin_version": "1", "plugin_namespace": ""}
    node = helper.make_node(spec.NAME, [IMAGE, MASK], ["conv"], domain=spec.DOMAIN, **attributes)
    model.graph.node[0].CopyFrom(node)
    model.opset_import.append(helper.make_opsetid(spec.DOMAIN, 1))


def operators() -> int:
    gc.collect()
    return sum(type(one).__name__ == "AttentionOp" for one in gc.get_objects())


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_a_closed_session_leaves_no_operator_and_a_call_none(
    tmp_path: Path, rng: np.random.Generator, calls: int
) -> None:
    path = network(tmp_path, attention)
    session = open_session(path, backend="openvino", threads=1)
    opened = operators()

    for batch in range(calls):
        session.run_uint8(*pixels(rng, batch + 1, (256, 256)))

    assert operators() == opened > 0
    session.close()
    assert operators() == 0


def test_threads_may_open_and_close_at_once(tmp_path: Path, rng: np.random.Generator) -> None:
    path = network(tmp_path, attention)
    inputs = pixels(rng, 1, (256, 256))

    def use(_: int) -> np.ndarray:
        session = open_session(path, backend="openvino", threads=1)
        found = session.run_uint8(*inputs)
        session.close()
        return found

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(use, range(8)))

    assert all((one == found[0]).all() for one in found)
    assert operators() == 0
