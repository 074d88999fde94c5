"""Any problem on the kernels as compiled for a CPU; apart, as GPU machines may lack hypothesis."""

import contextlib

import numpy as np
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.features import feature_like, random_hole, without_near_ties
from helpers.kernel_device import SimtDevice
from helpers.kernels import Problem, rounded
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_kernels import assert_as_the_oracle
from .test_kernels_rounds import assert_same_bits


@settings(max_examples=200)
@given(
    sizes=st.tuples(
        st.integers(1, 3),  # B
        st.integers(16, 300),  # C
        st.integers(1, 15),  # H
        st.integers(1, 15),  # W
    ),
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
    features = rounded(feature_like(rng, *sizes), dtype)
    problem = Problem(
        features=features,
        hole=without_near_ties(features, random_hole(rng, batch, height, width, share=share)),
        similarity=similarity,
        dtype=dtype,
        layout=layout,
    )
    with contextlib.closing(SimtDevice()) as device:
        assert_as_the_oracle(device, problem, rounded(rng.standard_normal(sizes), dtype))


@settings(max_examples=100)
@given(
    sizes=st.tuples(st.integers(1, 2), st.integers(1, 80), st.integers(1, 14), st.integers(1, 14)),
    share=st.floats(0.3, 1.0),
    seed=st.integers(0, 2**32 - 1),
    mean=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    scale=st.sampled_from([0.1, 0.5, 1.0, 4.0]),
    similarity=st.sampled_from(SIMILARITIES),
    dtype=st.sampled_from(Dtype),
)
def test_any_problem_gives_the_same_bits(
    sizes: tuple[int, int, int, int],
    share: float,
    seed: int,
    mean: float,
    scale: float,
    similarity: Similarity,
    dtype: Dtype,
) -> None:
    rng = np.random.default_rng(seed)
    hole = random_hole(rng, sizes[0], *sizes[2:], share=share)
    features = np.where(hole > 0, scale, 1.0) * (mean + rng.standard_normal(sizes))
    problem = Problem(
        features=rounded(features, dtype), hole=hole, similarity=similarity, dtype=dtype
    )
    with contextlib.closing(SimtDevice()) as device:
        assert_same_bits(device, problem)
