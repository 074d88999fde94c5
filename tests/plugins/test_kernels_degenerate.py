"""What is defined where the equations alone are not: no crash, no NaN, and one answer."""

import numpy as np
import pytest
from csakit.plugins.abi import Direction, Dtype, Layout
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import Similarity
from helpers.features import feature_like, holes_at, random_hole, row_of
from helpers.kernel_device import Device
from helpers.kernels import Buffers, Problem, matches_of, rounded, run_backward, run_forward


def test_images_without_holes_or_without_known_positions_are_unchanged_among_others(
    device: Device, rng: np.random.Generator, similarity: Similarity, dtype: Dtype, layout: Layout
) -> None:
    features = rounded(feature_like(rng, 4, 40, 6, 7), dtype)
    hole = random_hole(rng, 4, 6, 7)
    hole[0], hole[2] = 0.0, 1.0
    problem = Problem(
        features=features, hole=hole, similarity=similarity, dtype=dtype, layout=layout
    )

    filled, matches = run_forward(device, problem)
    of_features = run_backward(device, problem, features)

    np.testing.assert_array_equal(filled[[0, 2]], features[[0, 2]])
    np.testing.assert_array_equal(matches, matches_of(problem))
    np.testing.assert_array_equal(of_features[[0, 2]], 2 * features[[0, 2]])


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["a known position", "a hole"])
def test_a_map_of_one_position_is_unchanged(device: Device, share: float) -> None:
    features = np.array([3.0, 4.0], dtype=np.float32).reshape(1, 2, 1, 1)

    filled, matches = run_forward(
        device, Problem(features=features, hole=np.full((1, 1, 1, 1), share))
    )

    np.testing.assert_array_equal(filled, features)
    np.testing.assert_array_equal(matches, [[0]])


def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(
    device: Device, rng: np.random.Generator, similarity: Similarity, dtype: Dtype
) -> None:
    pattern = rounded(feature_like(rng, 1, 48, 1, 20), dtype)
    features = np.tile(pattern, (1, 1, 8, 1))  # every vector eight times, in several tiles
    hole = np.zeros((1, 1, 8, 20))
    hole[:, :, 3, 5:9] = hole[:, :, 0, 2] = 1.0
    problem = Problem(features=features, hole=hole, similarity=similarity, dtype=dtype)

    _, matches = run_forward(device, problem)

    np.testing.assert_array_equal(matches[0, 65:69], [5, 6, 7, 8])
    np.testing.assert_array_equal(matches[0, 2], 22)


@pytest.mark.parametrize(
    ("known", "match"),
    [
        pytest.param(((-0.0, -1), (0, 1), (-1, 0)), 1, id="minus zero and zero are equal"),
        pytest.param(((-3, 4), (-1, 3), (-1, 0)), 2, id="negative scores are ordered"),
    ],
)
def test_scores_are_compared_as_numbers(
    device: Device, known: tuple[tuple[float, float], ...], match: int
) -> None:
    problem = Problem(features=row_of((1, 0), *known), hole=holes_at(0, width=4))

    _, matches = run_forward(device, problem)

    assert matches[0, 0] == match


def test_a_hole_that_is_no_number_takes_the_first_known_position(
    device: Device, rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 1, 40, 6, 7)
    hole = random_hole(rng, 1, 6, 7)
    hole[..., 3, 3] = 1.0
    features[..., 3, 3] = np.nan
    problem = Problem(features=features, hole=hole, similarity=similarity)

    filled, matches = run_forward(device, problem)

    np.testing.assert_array_equal(matches, matches_of(problem))
    expected = coherent_semantic_attention(features, hole, similarity)
    np.testing.assert_allclose(filled, expected, rtol=1e-5)
    assert np.isfinite(filled).all()


def test_a_known_position_that_is_no_number_matches_every_hole(
    device: Device, rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 1, 40, 6, 7)
    hole = random_hole(rng, 1, 6, 7)
    hole[..., 3, 3] = 0.0
    features[:, 5, 3, 3] = np.nan
    problem = Problem(features=features, hole=hole, similarity=similarity)

    _, matches = run_forward(device, problem)

    np.testing.assert_array_equal(matches, matches_of(problem))
    assert set(matches[0, hole.reshape(-1) > 0]) == {3 * 7 + 3}


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4, 0.0])
def test_zero_mean_noise_of_any_size_stays_finite(
    device: Device, rng: np.random.Generator, similarity: Similarity, dtype: Dtype, scale: float
) -> None:
    features = rounded(scale * rng.standard_normal((2, 24, 9, 11)), dtype)
    hole = random_hole(rng, 2, 9, 11, share=0.6)
    problem = Problem(features=features, hole=hole, similarity=similarity, dtype=dtype)
    buffers = Buffers(device, problem, Direction.FORWARD)

    buffers.forward(with_matches=False)
    device.finish()

    filled = problem.unpack(buffers.result)
    if dtype == Dtype.FLOAT16 and scale == 1e4:  # an unclamped blend may pass 65504, the largest
        assert not np.isnan(filled).any()
    else:
        assert np.isfinite(filled).all()


def test_features_near_the_end_of_float32_end_in_no_crash(
    device: Device, rng: np.random.Generator, similarity: Similarity
) -> None:
    features = 1e37 * feature_like(rng, 1, 24, 9, 11)
    problem = Problem(features=features, hole=random_hole(rng, 1, 9, 11), similarity=similarity)

    filled, _ = run_forward(device, problem)

    known = np.broadcast_to(problem.hole == 0, filled.shape)
    np.testing.assert_array_equal(filled[known], features[known])
