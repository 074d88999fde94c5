"""The function body of CSA in ONNX Runtime, compared with the oracle."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from csakit.benchmarks.attention.ort_form import function_model as function_model
from csakit.export.graph.attention_function import CHUNK, MATCHES
from csakit.plugins import reference, spec
from csakit.plugins.spec import Similarity

from helpers.exported import session_of
from helpers.features import oracle_matches

CHUNKS = "chunks"  # the trip count of the loop, inside the body


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
    """Compare result, within rtol and atol, matches and trip count with the oracle's."""
    session = function_session(similarity, str(features.dtype), str(hole.dtype))
    filled, matches, chunks = session.run(None, {"features": features, "hole": hole})
    plans = reference.plans(features, hole, similarity)
    expected = reference.coherent_semantic_attention(features, hole, similarity)
    np.testing.assert_array_equal(matches, oracle_matches(features, hole, similarity))
    np.testing.assert_allclose(filled, expected, **tolerance)
    known = np.broadcast_to(hole <= spec.HOLE_THRESHOLD, features.shape)
    np.testing.assert_array_equal(filled[known], features[known])
    assert filled.dtype == features.dtype
    assert chunks == -(-max(plan.holes.size for plan in plans) // CHUNK)
