"""Tensors of two exports are paired by what computes them, not by their numbers."""

import onnx
import pytest
from csakit.export.parity.compare import STAGES
from csakit.export.parity.tensor_pairs import describe_tensor, pair_tensors
from helpers.exported import Subject
from onnx import TensorProto, helper


def outputs_of(model: onnx.ModelProto) -> list[str]:
    return [name for node in model.graph.node for name in node.output]


def weights_of(model: onnx.ModelProto, name: str) -> list[str]:
    """Name the weights of the node that gives a tensor."""
    (node,) = (n for n in model.graph.node if name in n.output)
    return [name for name in node.input if "." in name]


def small(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("image", "output")]
    return helper.make_model(helper.make_graph(nodes, "small", values[:1], values[1:]))


def test_half_precision_has_the_tensors_of_single_precision(fixed: Subject, half: Subject) -> None:
    pairs = pair_tensors(half.proto, fixed.proto)

    shared = [name for name in outputs_of(fixed.proto) if name in outputs_of(half.proto)]
    assert len(pairs) >= 0.95 * len(shared)
    assert all(name == other for name, other in pairs.items())


def test_layers_with_other_numbers_are_recognised_by_their_weights(
    fixed: Subject, for_ort: Subject
) -> None:
    pairs = pair_tensors(for_ort.proto, fixed.proto)

    renumbered = {name: other for name, other in pairs.items() if name != other}
    assert len(pairs) > 110
    assert len(renumbered) > 5  # convolutions that were transposed ones
    for name, other in renumbered.items():
        assert weights_of(for_ort.proto, name) == weights_of(fixed.proto, other)


def test_stages_are_paired_by_name_and_stand_where_they_are_computed(
    fixed: Subject, for_ort: Subject
) -> None:
    pairs = pair_tensors(for_ort.proto, fixed.proto)

    visible = [stage for stage in STAGES if stage != "matches"]
    assert [name for name in pairs if name in STAGES] == visible
    assert [pairs[stage] for stage in visible] == visible


def test_what_cannot_be_told_apart_is_not_paired() -> None:
    twice = [
        helper.make_node("Relu", ["image"], ["a"]),
        helper.make_node("Relu", ["image"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["output"]),
    ]

    assert pair_tensors(small(twice), small(twice)) == {"output": "output"}


def test_casts_are_looked_through() -> None:
    plain = [
        helper.make_node("Relu", ["image"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["output"]),
    ]
    cast = [
        helper.make_node("Cast", ["image"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Relu", ["h"], ["x"]),
        helper.make_node("Neg", ["x"], ["y"]),
        helper.make_node("Relu", ["y"], ["output"]),
    ]

    assert pair_tensors(small(cast), small(plain)) == {"x": "a", "y": "b", "output": "output"}


def test_another_attribute_is_another_tensor() -> None:
    def leaky(alpha: float) -> onnx.ModelProto:
        node = helper.make_node("LeakyRelu", ["image"], ["a"], alpha=alpha)
        return small([node, helper.make_node("Neg", ["a"], ["output"])])

    assert pair_tensors(leaky(0.1), leaky(0.2)) == {"output": "output"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/rough/levels.0/down/Conv", "Conv of rough.levels.0.down.weight"),
        ("/rough/LeakyRelu", "LeakyRelu of /rough/levels.0/down/Conv"),
        ("nowhere", ""),
    ],
)
def test_a_tensor_is_described_by_what_gives_it(fixed: Subject, name: str, text: str) -> None:
    assert describe_tensor(fixed.proto, name) == text
