"""The reader of ONNX headers agrees with the package onnx, and survives what is none."""

from pathlib import Path
from typing import Any

import onnx
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.files.onnx_header import OnnxTensor, read_onnx_header
from onnx import TensorProto, helper

from ..conftest import METADATA, MakeModel, mean_model


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_a_header_is_what_onnx_reads(make_model: MakeModel, io: str) -> None:
    path = make_model(io=io)
    model = onnx.load(path)

    header = read_onnx_header(path)

    assert header.metadata == {p.key: p.value for p in model.metadata_props}
    assert header.opsets == {o.domain: o.version for o in model.opset_import}
    assert header.operators["Cast"] == sum(n.op_type == "Cast" for n in model.graph.node)
    assert sum(header.operators.values()) == len(model.graph.node)
    assert header.functions == ()
    assert header.external == {}
    assert header.weights == {"float32": 1, "int64": 2}
    dtype = {"float": "float32", "uint8": "uint8"}[io]
    shape = ("B", 3, "H", "W") if io == "float" else ("B", "H", "W", 3)
    assert header.inputs[0] == OnnxTensor("image", dtype, shape)
    assert header.outputs == (OnnxTensor("output", dtype, shape),)


def test_functions_domains_packed_sizes_and_external_weights_are_read(tmp_path: Path) -> None:
    model = mean_model()
    model.functions.add(domain="csakit", name="F")
    model.graph.node.append(helper.make_node("F", ["image"], ["y"], domain="csakit"))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=[300, 7])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="x.weights")
    tensor.external_data.add(key="offset", value="64")
    tensor.external_data.add(key="length", value="100")
    model.graph.initializer.append(tensor)
    onnx.save(model, tmp_path / "x.onnx")

    header = read_onnx_header(tmp_path / "x.onnx")

    assert header.functions == ("csakit::F",)
    assert header.operators["csakit::F"] == 1
    assert header.external == {"x.weights": 164}
    assert header.weights["float16"] == 2100
    assert header.metadata == {"csakit.io": "float", **METADATA}


def test_every_truncation_is_refused_or_read_without_what_is_missing(make_model: MakeModel) -> None:
    path = make_model()
    content = path.read_bytes()
    whole = read_onnx_header(path)

    refused = complete = 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            assert read_onnx_header(path) != whole
        except ContractError as error:
            refused += "must be a whole ONNX file" in str(error)
        else:
            complete += 1

    assert refused + complete == len(content)
    assert refused > 0.9 * len(content)  # the rest ends between two fields


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\x3a\xff\xff\xff\xff\x0f", r"it ends \d+ bytes too early"),
        (b"\xff" * 20, "a number has no end"),
        (b"\x0b", "byte 1 is of wire type 3, which does not exist"),
        (b"\x08\x09", "it has 0 graphs instead of one"),
        (b"\x3a\x00\x3a\x00", "it has 2 graphs instead of one"),
        (b"\x3a\x05\x5a\x03\x0a\x01x", "'x' is not a tensor"),
    ],
)
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.onnx").write_bytes(content)

    with pytest.raises(ContractError, match=rf"x\.onnx must be a whole ONNX file: {reason}"):
        read_onnx_header(tmp_path / "x.onnx")


def test_an_unknown_type_keeps_its_number(tmp_path: Path) -> None:
    model: Any = mean_model()
    model.graph.input[0].type.tensor_type.elem_type = 99
    onnx.save(model, tmp_path / "x.onnx")

    assert read_onnx_header(tmp_path / "x.onnx").inputs[0].dtype == "type 99"


def test_sides_without_number_and_name_are_free(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.DOUBLE, [None, 3, "H", 256])
    graph = helper.make_graph([], "g", [image], [])
    (tmp_path / "x.onnx").write_bytes(helper.make_model(graph).SerializeToString())

    (read,) = read_onnx_header(tmp_path / "x.onnx").inputs

    assert read.shape == ("?", 3, "H", 256)
    assert (read.dtype, read.type) == ("float64", "tensor(double)")
