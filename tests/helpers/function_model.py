"""The CSA node and its function body alone, as a model of one node."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from csakit.export.attention_function import CHUNK, MATCHES, attention_function
from csakit.export.graph import OPSET
from csakit.plugins import reference, spec
from csakit.plugins.spec import Similarity
from onnx import TensorProto, helper

from helpers.exported import session_of

CHUNKS = "chunks"  # the trip count of the loop, inside the body
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


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
    shapes = ["B", "C", "H", "W"], ["B", 1, "H", "W"]
    kinds = TYPES[features], TYPES[hole]
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
        ir_version=10,
    )


@functools.cache
def function_session(
    similarity: Similarity, features: str = "float32", hole: str = "float32"
) -> onnxruntime.InferenceSession:
    """Open the model; its outputs are the result, the matches and the trip count."""
    return session_of(
        function_model(similarity, features=features, hole=hole, probes=(MATCHES, CHUNKS))
    )


def check_like_oracle(
    features: npt.NDArray[Any], hole: npt.NDArray[Any], similarity: Similarity, **tolerance: float
) -> None:
    """Compare result, matches and trip count with the oracle's.

    Args:
        features: (B, C, H, W) float32 or float16.
        hole: (B, 1, H, W) float32 or float16.
        similarity: of the node.
        **tolerance: rtol and atol of the result.
    """
    session = function_session(similarity, str(features.dtype), str(hole.dtype))
    filled, matches, chunks = session.run(None, {"features": features, "hole": hole})
    plans = reference.plans(features, hole, similarity)
    expected = reference.coherent_semantic_attention(features, hole, similarity)
    expected_matches = np.tile(np.arange(hole[0].size), (len(plans), 1))
    for row, plan in zip(expected_matches, plans, strict=True):
        row[plan.holes] = plan.matches
    np.testing.assert_array_equal(matches, expected_matches)
    np.testing.assert_allclose(filled, expected, **tolerance)
    known = np.broadcast_to(hole <= spec.HOLE_THRESHOLD, features.shape)
    np.testing.assert_array_equal(filled[known], features[known])
    assert filled.dtype == features.dtype
    assert chunks == -(-max(plan.holes.size for plan in plans) // CHUNK)
