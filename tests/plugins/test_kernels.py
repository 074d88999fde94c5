"""The kernels compute what the oracle computes, at the edges of their contract too."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.features import Floats, feature_like, random_hole
from helpers.kernel_device import Device
from helpers.kernels import (
    ROUNDING,
    Problem,
    oracle_matches,
    rounded,
    run_backward,
    run_forward,
)

# float32 sums of C products, a chain of M blends: 3e-7 of the largest value is what was seen.
# The kernels promise 1e-4; a wrong lane, bank or chunk changes more than 1e-3.
FLOAT32_ERROR = 5e-6

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
each_dtype = pytest.mark.parametrize("dtype", Dtype, ids=lambda dtype: dtype.name.lower())
each_layout = pytest.mark.parametrize("layout", Layout, ids=lambda layout: layout.name)
each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


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


def every_case(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test on each case, type, similarity and layout."""
    return each_case(each_dtype(each_similarity(each_layout(test))))


@pytest.fixture
def drawn(
    rng: np.random.Generator,
    batch: int,
    channels: int,
    height: int,
    width: int,
    share: float,
    dtype: Dtype,
    similarity: Similarity,
    layout: Layout,
) -> Problem:
    """A problem of the case that the test runs on."""
    return Problem(
        features=rounded(feature_like(rng, batch, channels, height, width), dtype),
        hole=some_hole(rng, (batch, height, width), share),
        similarity=similarity,
        dtype=dtype,
        layout=layout,
    )


@every_case
def test_the_kernels_fill_what_the_oracle_fills(device: Device, drawn: Problem) -> None:
    filled, matches = run_forward(device, drawn)

    expected = coherent_semantic_attention(drawn.features, drawn.hole, drawn.similarity)
    assert_close(filled, expected, drawn.dtype)
    known = np.broadcast_to(drawn.hole == 0, filled.shape)
    np.testing.assert_array_equal(filled[known], drawn.features[known])
    np.testing.assert_array_equal(matches, oracle_matches(drawn))


@every_case
def test_the_gradient_is_the_oracles(
    device: Device, drawn: Problem, rng: np.random.Generator
) -> None:
    gradient = rounded(rng.standard_normal(drawn.features.shape), drawn.dtype)

    of_features = run_backward(device, drawn, gradient)

    expected = input_gradient(drawn.features, drawn.hole, gradient, drawn.similarity)
    assert_close(of_features, expected, drawn.dtype)


@pytest.mark.parametrize("holes", [1, 31, 32, 33, 64, 65, 97, 130])
def test_gradients_flow_back_through_any_number_of_chunks(
    device: Device, rng: np.random.Generator, holes: int
) -> None:
    hole = np.zeros((1, 1, 14, 14))
    hole.reshape(-1)[rng.permutation(195)[:holes]] = 1.0
    problem = Problem(features=feature_like(rng, 1, 40, 14, 14), hole=hole)
    gradient = rounded(rng.standard_normal(problem.features.shape), Dtype.FLOAT32)

    of_features = run_backward(device, problem, gradient)

    expected = input_gradient(problem.features, hole, gradient, problem.similarity)
    assert_close(of_features, expected, Dtype.FLOAT32)


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


@each_dtype
def test_the_production_size_is_filled_as_the_oracle_does(
    simt: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    hole = np.zeros((1, 1, 32, 32))
    hole[:, :, 8:23, 9:24] = 1.0  # the hole of 15 x 15 positions that CSA was published with
    features = rounded(feature_like(rng, 1, 512, 32, 32), dtype)
    problem = Problem(features=features, hole=hole, dtype=dtype)

    filled, matches = run_forward(simt, problem)

    assert_close(filled, coherent_semantic_attention(features, hole), dtype)
    np.testing.assert_array_equal(matches, oracle_matches(problem))


@pytest.mark.parametrize("dtype", [Dtype.FLOAT16, Dtype.BFLOAT16], ids=lambda d: d.name.lower())
def test_halves_find_the_matches_that_float32_finds_on_the_same_numbers(
    simt: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    features = rounded(feature_like(rng, 4, 256, 24, 24), dtype)
    hole = random_hole(rng, 4, 24, 24)
    of_halves = Problem(features=features, hole=hole, dtype=dtype)
    of_floats = Problem(features=features, hole=hole)

    _, matches = run_forward(simt, of_halves)
    _, expected = run_forward(simt, of_floats)

    assert (matches == expected).mean() >= 0.999  # products are exact; only sums may differ


@each_dtype
def test_the_hole_may_be_of_any_type(
    device: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    features = feature_like(rng, 2, 8, 5, 5)
    hole = np.where(random_hole(rng, 2, 5, 5) > 0, 0.75, 0.5)  # above 0.5 is a hole, 0.5 is not

    filled, _ = run_forward(device, Problem(features=features, hole=hole, hole_dtype=dtype))

    assert_close(filled, coherent_semantic_attention(features, hole), Dtype.FLOAT32)


@each_dtype
def test_maps_of_many_tiles_are_searched_in_larger_ones_with_the_same_result(
    device: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    features = rounded(feature_like(rng, 1, 40, 52, 54), dtype)  # 2808 positions, see match.cu
    hole = some_hole(rng, (1, 52, 54), 0.03)
    problem = Problem(features=features, hole=hole, dtype=dtype)

    filled, matches = run_forward(device, problem)

    assert_close(filled, coherent_semantic_attention(features, hole), dtype)
    np.testing.assert_array_equal(matches, oracle_matches(problem))


def test_the_largest_map_is_filled_as_the_oracle_does(
    simt: Device, rng: np.random.Generator
) -> None:
    features = feature_like(rng, 1, 8, 128, 128)
    hole = np.zeros((1, 1, 128, 128))
    hole[:, :, 40:60, 30:90] = 1.0
    problem = Problem(features=features, hole=hole)

    filled, matches = run_forward(simt, problem)

    assert_close(filled, coherent_semantic_attention(features, hole), Dtype.FLOAT32)
    assert (matches == oracle_matches(problem)).mean() > 0.999  # 8 channels: some are near ties
