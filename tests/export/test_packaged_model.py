"""The packaged model is the committed checkpoint, weight by weight; no export is needed to tell."""

from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from csakit.export.graph import surgery
from csakit.plugins.errors import ContractError
from csakit.runtime import contract
from csakit.runtime.files.atomic import sha256
from csakit.runtime.models.packaged import FOLDER
from safetensors.numpy import load_file

WEIGHTS = Path(__file__).parents[2] / "train" / "weights" / "demo.safetensors"


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return surgery.read(str(FOLDER / "demo.onnx"))


def test_it_was_exported_from_the_committed_weights(model: onnx.ModelProto) -> None:
    stated = surgery.metadata_of(model)[contract.META_CHECKPOINT]

    assert stated == sha256(WEIGHTS), "the weights changed: run `make model`"


def test_it_holds_every_weight_bit_by_bit(model: onnx.ModelProto) -> None:
    found = {
        tensor.name.removeprefix("model.").removesuffix(".half"): onnx.numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
    }
    expected = load_file(WEIGHTS)

    assert expected.keys() <= found.keys()
    for name, weight in expected.items():
        np.testing.assert_array_equal(found[name], weight)
        assert found[name].dtype == (np.float16 if weight.size >= 256 else np.float32)


def test_it_takes_half_of_the_bytes_of_a_float32_model() -> None:
    assert (FOLDER / "demo.onnx").stat().st_size < 1.1 * WEIGHTS.stat().st_size


def test_weights_that_are_no_half_precision_numbers_are_not_rounded() -> None:
    weight = onnx.numpy_helper.from_array(np.full((16, 16), 0.1, np.float32), "kernel")
    graph = onnx.helper.make_graph([], "g", [], [], [weight])

    with pytest.raises(ContractError, match=r"need a checkpoint of float16.*kernel\nUse --prec"):
        surgery.store_in_half(onnx.helper.make_model(graph))
