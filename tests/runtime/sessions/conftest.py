"""The backends of a CPU, and models and images for them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ..conftest import mean_model

if TYPE_CHECKING:
    import onnx


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    """A backend that is installed."""
    pytest.importorskip(request.param)
    return str(request.param)


def add_to_result(proto: "onnx.ModelProto", added: np.ndarray) -> "onnx.ModelProto":
    """Add weights to the result of a mean model, before it becomes bytes."""
    from onnx import helper, numpy_helper  # deferred: a rented GPU's Python has no onnx

    proto.graph.initializer.append(numpy_helper.from_array(added, "added"))
    last = proto.graph.node[-1]
    inner = last.input[0]
    last.input[0] = "total"
    node = helper.make_node("Add", [inner, "added"], ["total"])
    proto.graph.node.insert(len(proto.graph.node) - 1, node)
    return proto


def model_with_weights() -> "onnx.ModelProto":
    """A mean model of 256 x 256 that adds zeros to its result."""
    return add_to_result(mean_model(size=(256, 256)), np.zeros((1, 1, 256, 256), np.float32))


def pixels(
    rng: np.random.Generator, batch: int = 2, sides: tuple[int, int] = (256, 512)
) -> tuple[np.ndarray, np.ndarray]:
    """Images (B, H, W, 3) and a hole (B, H, W, 1) in each, bytes."""
    hole = np.zeros((batch, *sides, 1), np.uint8)
    hole[:, 40:90, 100:200] = 1
    hole[0, 50:100, 60:90] = 1
    return rng.integers(0, 256, (batch, *sides, 3), dtype=np.uint8), hole


def numbers(image: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as ``Session.run`` takes them."""
    planes = image.transpose(0, 3, 1, 2) / np.float32(127.5) - 1
    return planes.astype(np.float32), hole.transpose(0, 3, 1, 2).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A photograph and its mask for the command, as arguments."""
    Image.new("RGB", (300, 200), (90, 60, 30)).save(tmp_path / "photo.png")
    mask = Image.new("L", (300, 200))
    mask.paste(255, (100, 50, 150, 100))
    mask.save(tmp_path / "mask.png")
    return [str(tmp_path / name) for name in ("photo.png", "mask.png")]
