"""TensorRT's parser takes what csakit exports, and its refusals become sentences."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
from csakit.export.engine.parser import explain, parse
from csakit.export.engine.tensorrt_api import make_builder, make_network
from csakit.export.graph import surgery
from csakit.plugins.errors import EngineError
from csakit.runtime.engine.tensorrt_module import TensorRTModule
from helpers.exported import Subject
from onnx import helper

PATH = Path("model.onnx")
Parse = Callable[..., Any]


@pytest.fixture
def parsed(module: TensorRTModule) -> Parse:
    """Return a function that parses a model into a network."""
    builder = make_builder(module)  # outlives the networks

    def run(model: onnx.ModelProto, path: Path = PATH) -> Any:  # noqa: ANN401
        network = make_network(module, builder)
        parse(module, network, model, path)
        return network

    return run


def with_node(model: onnx.ModelProto, operator: str, **attributes: Any) -> onnx.ModelProto:  # noqa: ANN401
    """Add a node in front of the result."""
    changed = copy.deepcopy(model)
    last = changed.graph.node[-1]
    last.output[0] = "before"
    node = helper.make_node(operator, ["before"], ["output"], name="the_culprit", **attributes)
    changed.graph.node.append(node)
    return changed


@pytest.mark.parametrize("name", ["fixed", "half", "dynamic", "packed"])
def test_every_form_of_an_export_is_taken(
    request: pytest.FixtureRequest, parsed: Parse, name: str
) -> None:
    subject: Subject = request.getfixturevalue(name)

    network = parsed(surgery.for_tensorrt(subject.proto, plugin=False), subject.path)

    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    assert [tensor.name for tensor in inputs] == ["image", "mask"]
    assert inputs[0].dtype.name == ("UINT8" if name == "packed" else "FLOAT")
    assert network.get_output(0).dtype == inputs[0].dtype


def test_an_ablation_is_taken(parsed: Parse, ablation: Subject) -> None:
    assert parsed(surgery.for_tensorrt(ablation.proto, plugin=True)).num_outputs == 1


def test_a_missing_plugin_names_node_and_remedy(parsed: Parse, fixed: Subject) -> None:
    with pytest.raises(EngineError) as caught:
        parsed(surgery.for_tensorrt(fixed.proto, plugin=True))

    text = str(caught.value)
    assert "refuses model.onnx at node" in text
    assert "'CoherentSemanticAttention', operator CoherentSemanticAttention: " in text
    assert "Plugin not found" in text
    assert text.endswith("or use the function body: --no-plugin.")


def test_an_unknown_operator_is_named(parsed: Parse, fixed: Subject) -> None:
    model = with_node(surgery.for_tensorrt(fixed.proto, plugin=False), "Unknown")

    with pytest.raises(EngineError, match=r"at node \d+ 'the_culprit', operator Unknown: "):
        parsed(model)


def test_arithmetic_on_bytes_is_explained(parsed: Parse, packed: Subject) -> None:
    model = surgery.for_tensorrt(packed.proto, plugin=False)
    model = with_node(model, "Transpose", perm=[0, 3, 1, 2])

    with pytest.raises(EngineError, match=r"operator Cast: .*UINT8 types for intermediate") as e:
        parsed(model, packed.path)

    assert str(e.value).endswith("TensorRT only converts bytes.")


def error(**parts: Any) -> SimpleNamespace:  # noqa: ANN401
    """An error with the methods of ``ParserError``."""
    stated = {"node": 7, "node_name": "", "node_operator": "", "desc": "why", **parts}
    return SimpleNamespace(**{name: lambda value=value: value for name, value in stated.items()})


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "at node 7: why"),
        ({"node_name": "n", "node_operator": "Add"}, "at node 7 'n', operator Add: why"),
        ({"local_function_stack": ["a", "b"]}, "at node 7, in function b: why"),
        ({"desc": "Invalid Node - n\nthe reason\nmore"}, "at node 7: the reason"),
        ({"desc": ""}, "at node 7: no reason given"),
    ],
)
def test_an_error_tells_node_operator_function_and_reason(parts: dict[str, Any], text: str) -> None:
    parser = SimpleNamespace(num_errors=2, get_error=lambda _: error(**parts))

    assert explain("TensorRT 10.3", PATH, parser).splitlines()[0] == (
        f"TensorRT 10.3 refuses model.onnx {text}"
    )


def test_a_parser_without_reasons_is_not_silent() -> None:
    text = explain("TensorRT 10.3", PATH, SimpleNamespace(num_errors=0))

    assert text.startswith("TensorRT 10.3 cannot read model.onnx, and gives no reason\n")
