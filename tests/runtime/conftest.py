"""Tiny models whose answers are known, exported as the contract says, and a session that records.

The models fill the hole with the mean colour of the known pixels of their input.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from csakit.runtime.contract import (
    FORMAT_VERSION,
    IMAGE,
    MASK,
    META_ATTENTION,
    META_CHECKPOINT,
    META_FORMAT,
    META_IO,
    META_PRECISION,
    META_VERSION,
    OUTPUT,
)
from csakit.runtime.device.device import Device
from csakit.runtime.device.open_device import BINDINGS, choose_binding, open_device
from helpers.fake_driver import FAKE_DRIVER, FakeDriver

if TYPE_CHECKING:
    import onnx

MakeModel = Callable[..., Path]
METADATA = {
    META_FORMAT: str(FORMAT_VERSION),
    META_VERSION: "0.1.0",
    META_CHECKPOINT: "0" * 64,
    META_PRECISION: "fp32",
    META_ATTENTION: "none",
}


def mean_model(
    *,
    io: str = "float",
    size: tuple[Any, Any] = ("H", "W"),
    batch: int | str = "B",
    metadata: Mapping[str, str] = METADATA,
    names: Sequence[str] = (IMAGE, MASK, OUTPUT),
) -> "onnx.ModelProto":
    """Build the model; see the module."""
    from onnx import TensorProto, helper  # on a GPU machine: other tests need it not

    image, mask, output = names
    planes, pixels = io == "float", io == "uint8"
    kind = TensorProto.FLOAT if planes else TensorProto.UINT8
    shape = (batch, 3, *size) if planes else (batch, *size, 3)
    mask_shape = (batch, 1, *size) if planes else (batch, *size, 1)
    axes = [2, 3] if planes else [1, 2]
    nodes = [
        helper.make_node("Cast", [image], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [mask], ["missing"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["missing"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "m"], ["known"]),
        helper.make_node("Mul", ["x", "known"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axes"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["known", "axes"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "one"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["mean"]),
        helper.make_node("Where", ["missing", "mean", "x"], ["filled"]),
        helper.make_node("Round", ["filled"], ["rounded"]),
        helper.make_node("Cast", ["rounded" if pixels else "filled"], [output], to=kind),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [
            helper.make_tensor_value_info(image, kind, shape),
            helper.make_tensor_value_info(mask, kind, mask_shape),
        ],
        [helper.make_tensor_value_info(output, kind, shape)],
        [
            helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
            helper.make_tensor("axes", TensorProto.INT64, [2], axes),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {META_IO: io, **metadata} if metadata else {})
    return model


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Return a function that writes a mean model, with the arguments of ``mean_model``."""

    def make(name: str = "model.onnx", **arguments: Any) -> Path:  # noqa: ANN401
        import onnx

        path = tmp_path / name
        onnx.save(mean_model(**arguments), path)
        return path

    return make


class RecordingSession:
    """A session without a library: it fills holes with one colour and keeps what it was given."""

    io = "uint8"
    batch = None
    metadata: Mapping[str, str] = METADATA

    def __init__(
        self, size: tuple[int, int] | None = None, colour: tuple[int, ...] = (10, 200, 30)
    ) -> None:
        self.size = size
        self.colour = np.array(colour, dtype=np.uint8)
        self.calls: list[tuple[np.ndarray, np.ndarray]] = []
        self.closed = 0

    def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.calls.append((image[0].copy(), mask[0, ..., 0] != 0))
        return np.where(mask != 0, self.colour, image)

    def close(self) -> None:
        self.closed += 1


def hole_of(shape: tuple[int, ...], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A hole (H, W) of rectangles: top, left, height, width."""
    hole = np.zeros(shape[:2], dtype=bool)
    for top, left, height, width in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


@pytest.fixture
def photo() -> np.ndarray:
    """A photograph of odd sides: a cat, (300, 451, 3)."""
    import skimage.data

    return skimage.data.chelsea()


@pytest.fixture(params=BINDINGS)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The first GPU, real or fake, through each binding that is installed."""
    choice = choose_binding(request.param)
    if choice.binding is None:
        pytest.skip(choice.reason)
    with open_device(binding=request.param) as opened:
        yield opened


@pytest.fixture
def fake() -> Iterator[FakeDriver]:
    """The fake driver, where it is the one that this process sees; mended at the end."""
    if FAKE_DRIVER not in os.environ:
        pytest.skip("only the fake driver can be told to fail")
    driver = FakeDriver()
    yield driver
    driver.limit(FakeDriver.MEMORY)
    driver.lose_context(0)
