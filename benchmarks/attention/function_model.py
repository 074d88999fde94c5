"""The CSA node and its function body alone, as an ONNX model of one node."""

from types import MappingProxyType
from typing import Final

import onnx
from onnx import TensorProto, helper

from ...export.graph.attention_function import attention_function
from ...export.graph.surgery import OPSET
from ...plugins import spec
from ...plugins.spec import Similarity

_TYPES: Final = MappingProxyType({"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16})
_IR_VERSION: Final = 10  # the newest that the oldest supported ONNX Runtime reads


def function_model(
    similarity: Similarity,
    *,
    features: str = "float32",
    hole: str = "float32",
    probes: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Build the model.

    Args:
        similarity: of the node.
        features: type of the features and of the result.
        hole: type of the mask.
        probes: inner tensors of the body that become outputs too.

    Returns:
        A model that any ONNX runtime runs: (B, C, H, W) and (B, 1, H, W) to (B, C, H, W).
    """
    function = attention_function(similarity, OPSET)
    function.output.extend(probes)
    node = helper.make_node(
        spec.NAME,
        spec.INPUTS,
        [*spec.OUTPUTS, *probes],
        domain=spec.DOMAIN,
        similarity=similarity,
        plugin_version=spec.VERSION,
        plugin_namespace=spec.NAMESPACE,
    )
    shapes: tuple[list[str | int | None], ...] = ["B", "C", "H", "W"], ["B", 1, "H", "W"]
    kinds = _TYPES[features], _TYPES[hole]
    inputs = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in zip(spec.INPUTS, kinds, shapes, strict=True)
    ]
    outputs = [helper.make_tensor_value_info(spec.OUTPUTS[0], kinds[0], shapes[0])]
    outputs += [onnx.ValueInfoProto(name=name) for name in probes]
    return helper.make_model(
        helper.make_graph([node], "attention", inputs, outputs),
        functions=[function],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(spec.DOMAIN, 1)],
        ir_version=_IR_VERSION,
    )
