"""The noise of an exported model: the tile, repeated as often as the size of the input asks."""

from typing import Final

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from ...plugins import spec
from ...runtime.contract import SIZE_MULTIPLE
from ...train.networks.detail import FEATURE_STRIDE

PLACEHOLDER: Final = "RepeatedNoise"  # the node that tracing leaves; no file has it


def expand_noise(model: onnx.ModelProto) -> None:
    """Replace each placeholder (tile, features) by a Tile for the features' size, in place."""
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if (node.domain, node.op_type) == (spec.DOMAIN, PLACEHOLDER):
            nodes.extend(_nodes(model.graph, node))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _nodes(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes that compute the repeats, and the Tile."""
    prefix = node.name.rpartition("/")[0]
    tile, features = node.input
    sides, repeats, whole, stride, once = (
        f"{prefix}/{name}" for name in ("sides", "repeats", "whole", "stride", "once")
    )
    for name, values in (
        (stride, [SIZE_MULTIPLE // FEATURE_STRIDE] * 2),
        (once, [1, 1]),
    ):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    make = onnx.helper.make_node
    return [
        make("Shape", [features], [sides], name=f"{prefix}/Shape", start=2, end=4),
        make("Div", [sides, stride], [repeats], name=f"{prefix}/Div"),
        make("Concat", [once, repeats], [whole], name=f"{prefix}/Concat", axis=0),
        make("Tile", [tile, whole], [node.output[0]], name=f"{prefix}/Tile"),
    ]
