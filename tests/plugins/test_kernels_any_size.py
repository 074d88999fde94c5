"""The kernels compute what the oracle computes, whatever the sizes."""

import numpy as np
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.features import feature_like, random_hole
from helpers.kernel_device import SimtDevice
from helpers.kernels import (
    ROUNDING,
    Problem,
    oracle_matches,
    rounded,
    run_backward,
    run_forward,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.tuples(
    st.integers(1, 3),  # B
    st.integers(16, 300),  # C; with fewer, float32 cannot tell some of the best matches apart
    st.integers(1, 15),  # H
    st.integers(1, 15),  # W
)


@settings(max_examples=200)
@given(
    sizes=SIZES,
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
    similarity=st.sampled_from(SIMILARITIES),
    dtype=st.sampled_from(Dtype),
    layout=st.sampled_from(Layout),
)
def test_any_problem_is_solved_as_the_oracle_does(
    sizes: tuple[int, int, int, int],
    share: float,
    seed: int,
    similarity: Similarity,
    dtype: Dtype,
    layout: Layout,
) -> None:
    rng = np.random.default_rng(seed)
    batch, _, height, width = sizes
    problem = Problem(
        features=rounded(feature_like(rng, *sizes), dtype),
        hole=random_hole(rng, batch, height, width, share=share),
        similarity=similarity,
        dtype=dtype,
        layout=layout,
    )
    gradient = rounded(rng.standard_normal(sizes), dtype)
    device = SimtDevice()
    try:
        filled, matches = run_forward(device, problem)
        of_features = run_backward(device, problem, gradient)
    finally:
        device.close()

    np.testing.assert_array_equal(matches, oracle_matches(problem))
    rounding = 0.0 if dtype == Dtype.FLOAT32 else 1.01 * ROUNDING[dtype]
    for actual, expected in (
        (filled, coherent_semantic_attention(problem.features, problem.hole, similarity)),
        (of_features, input_gradient(problem.features, problem.hole, gradient, similarity)),
    ):
        # 5e-6: sums and the chain in float32; the second: one rounding to the type of the result
        tolerance = 5e-6 * np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, rtol=rounding, atol=tolerance)
