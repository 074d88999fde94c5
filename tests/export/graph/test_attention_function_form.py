"""The function body is made of what every runtime takes, and of nothing else."""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
import onnx.inliner
import onnx.shape_inference
import pytest
from csakit.export.graph.attention_function import attention_function
from csakit.export.graph.surgery import OPSET
from csakit.plugins import spec
from csakit.plugins.spec import Similarity
from helpers.exported import session_of
from helpers.features import feature_like, random_hole
from helpers.function_model import function_model


@pytest.fixture
def function(similarity: Similarity) -> onnx.FunctionProto:
    return attention_function(similarity, OPSET)


def nodes_of(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """List nodes and those of their bodies, recursively."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from nodes_of(attribute.g.node)


@pytest.mark.parametrize("features", ["float32", "float16"])
def test_the_function_passes_the_full_check_and_strict_shape_inference(
    similarity: Similarity, features: str
) -> None:
    model = function_model(similarity, features=features)

    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    )

    shape = inferred.graph.output[0].type.tensor_type.shape
    assert [dimension.dim_param for dimension in shape.dim] == ["B", "C", "H", "W"]


def test_the_inlined_function_computes_the_same_bits(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    model = function_model(similarity)
    feeds = {"features": feature_like(rng, 2, 16, 9, 11), "hole": random_hole(rng, 2, 9, 11)}

    inlined = onnx.inliner.inline_local_functions(model)
    onnx.checker.check_model(inlined, full_check=True)

    assert not inlined.functions
    assert spec.NAME not in {node.op_type for node in inlined.graph.node}
    (expected,), (found,) = (session_of(m).run(None, feeds) for m in (model, inlined))
    np.testing.assert_array_equal(found, expected)


def test_the_function_is_named_and_typed_as_the_specification_says(
    function: onnx.FunctionProto,
) -> None:
    assert (function.domain, function.name) == (spec.DOMAIN, spec.NAME)
    assert tuple(function.input) == spec.INPUTS
    assert tuple(function.output) == spec.OUTPUTS
    assert set(function.attribute) == {"similarity", "plugin_version", "plugin_namespace"}
    assert {entry.domain: entry.version for entry in function.opset_import} == {"": OPSET}


def test_only_standard_operators_of_the_opset_are_used(function: onnx.FunctionProto) -> None:
    for node in nodes_of(function.node):
        assert node.domain == ""
        assert not onnx.defs.get_schema(node.op_type, OPSET, "").deprecated


def test_no_operator_has_a_shape_that_depends_on_data(function: onnx.FunctionProto) -> None:
    used = {node.op_type for node in nodes_of(function.node)}

    assert {"Loop", "Scan"} <= used
    assert used.isdisjoint({"NonZero", "Compress", "Unique", "NonMaxSuppression", "If"})


def test_scan_axes_are_not_negative(function: onnx.FunctionProto) -> None:
    scans = [node for node in nodes_of(function.node) if node.op_type == "Scan"]
    axes = [
        axis
        for scan in scans
        for attribute in scan.attribute
        if attribute.name in ("scan_input_axes", "scan_output_axes")
        for axis in attribute.ints
    ]

    assert axes
    assert min(axes) >= 0


def test_every_node_has_a_name_of_its_own(function: onnx.FunctionProto) -> None:
    names = [node.name for node in nodes_of(function.node)]

    assert all(names)
    assert len(set(names)) == len(names)


def test_an_opset_can_be_chosen_for_a_model_of_another() -> None:
    function = attention_function("cosine", 21)

    assert [entry.version for entry in function.opset_import] == [21]
