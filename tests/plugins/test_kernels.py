"""The kernels compute what the oracle computes, at the edges of their contract too."""

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from csakit.plugins.spec import Similarity
from helpers.features import Floats, feature_like, random_hole
from helpers.kernel_device import Device
from helpers.kernels import (
    FLOAT32_ERROR,
    ROUNDING,
    Problem,
    matches_of,
    rounded,
    run_backward,
    run_forward,
)

CASES = [  # (batch, channels, height, width, share of holes): why it is here
    pytest.param(1, 1, 1, 2, 0.5, id="smallest"),
    pytest.param(3, 24, 7, 7, 0.4, id="odd positions, channels below one warp"),
    pytest.param(2, 67, 9, 13, 0.7, id="odd channels, more than two chunks"),
    pytest.param(1, 64, 12, 12, 0.9, id="whole lines of channels, few known"),
    pytest.param(1, 130, 13, 17, 0.15, id="few holes, several tiles of known"),
    pytest.param(1, 512, 8, 8, 0.4, id="production channels"),
    pytest.param(1, 1024, 6, 7, 0.5, id="largest channels"),
]
each_case = pytest.mark.parametrize(("batch", "channels", "height", "width", "share"), CASES)


def some_hole(rng: np.random.Generator, shape: tuple[int, int, int], share: float) -> Floats:
    """Draw holes; at least one, and not everywhere."""
    hole = random_hole(rng, *shape, share=share)
    hole[..., 0], hole[..., 0, -1] = 0.0, 1.0
    return hole


def assert_close(actual: Floats, expected: npt.NDArray[np.float64], dtype: Dtype) -> None:
    """Allow for sums in float32 and for one rounding to the type of the result."""
    largest = np.abs(expected).max()
    rounding = 0.0 if dtype == Dtype.FLOAT32 else 1.01 * ROUNDING[dtype]
    np.testing.assert_allclose(actual, expected, rtol=rounding, atol=FLOAT32_ERROR * largest)


def assert_as_the_oracle(device: Device, problem: Problem, gradient: Floats | None = None) -> None:
    """Compare what the kernels fill, their matches and, where one is given, the gradient."""
    filled, matches = run_forward(device, problem)

    expected = coherent_semantic_attention(problem.features, problem.hole, problem.similarity)
    assert_close(filled, expected, problem.dtype)
    known = np.broadcast_to(problem.hole == 0, filled.shape)
    np.testing.assert_array_equal(filled[known], problem.features[known])
    np.testing.assert_array_equal(matches, matches_of(problem))
    if gradient is not None:
        of_features = run_backward(device, problem, gradient)
        expected = input_gradient(problem.features, problem.hole, gradient, problem.similarity)
        assert_close(of_features, expected, problem.dtype)


@each_case
def test_each_case_is_solved_as_the_oracle_does(
    device: Device,
    rng: np.random.Generator,
    batch: int,
    channels: int,
    height: int,
    width: int,
    share: float,
    dtype: Dtype,
    similarity: Similarity,
    layout: Layout,
) -> None:
    problem = Problem(
        features=rounded(feature_like(rng, batch, channels, height, width), dtype),
        hole=some_hole(rng, (batch, height, width), share),
        similarity=similarity,
        dtype=dtype,
        layout=layout,
    )

    assert_as_the_oracle(
        device, problem, rounded(rng.standard_normal(problem.features.shape), dtype)
    )


def test_the_gradient_has_the_same_bits_every_time_in_any_batch_and_any_scale(
    device: Device, rng: np.random.Generator
) -> None:
    features, hole = feature_like(rng, 3, 70, 14, 14), random_hole(rng, 3, 14, 14, share=0.6)
    gradient = rounded(rng.standard_normal(features.shape), Dtype.FLOAT32)

    together = run_backward(device, Problem(features=features, hole=hole), gradient)

    for image in range(3):
        alone = Problem(features=features[image : image + 1], hole=hole[image : image + 1])
        found = run_backward(device, alone, 0.125 * gradient[image : image + 1])
        np.testing.assert_array_equal(8.0 * found[0], together[image])


def test_the_production_size_is_filled_as_the_oracle_does(
    simt: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    hole = np.zeros((1, 1, 32, 32))
    hole[:, :, 8:23, 9:24] = 1.0  # the hole of 15 x 15 positions that CSA was published with
    features = rounded(feature_like(rng, 1, 512, 32, 32), dtype)

    assert_as_the_oracle(simt, Problem(features=features, hole=hole, dtype=dtype))


def test_maps_of_many_tiles_are_searched_in_larger_ones_with_the_same_result(
    device: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    features = rounded(feature_like(rng, 1, 40, 52, 54), dtype)  # 2808 positions, see match.cu
    hole = some_hole(rng, (1, 52, 54), 0.03)

    assert_as_the_oracle(device, Problem(features=features, hole=hole, dtype=dtype))


def test_the_hole_may_be_of_any_type(
    device: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    features = feature_like(rng, 2, 8, 5, 5)
    hole = np.where(random_hole(rng, 2, 5, 5) > 0, 0.75, 0.5)  # above 0.5 is a hole, 0.5 is not

    filled, _ = run_forward(device, Problem(features=features, hole=hole, hole_dtype=dtype))

    assert_close(filled, coherent_semantic_attention(features, hole), Dtype.FLOAT32)


def test_the_largest_map_is_filled_as_the_oracle_does(
    simt: Device, rng: np.random.Generator
) -> None:
    features = feature_like(rng, 1, 8, 128, 128)
    hole = np.zeros((1, 1, 128, 128))
    hole[:, :, 40:60, 30:90] = 1.0
    problem = Problem(features=features, hole=hole)

    filled, matches = run_forward(simt, problem)

    assert_close(filled, coherent_semantic_attention(features, hole), Dtype.FLOAT32)
    assert (matches == matches_of(problem)).mean() > 0.999  # 8 channels: some are near ties
