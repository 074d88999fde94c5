"""Properties of the oracle that follow from its definition, not from another program."""

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.plugins.reference import (
    attention_weights,
    coherent_semantic_attention,
    input_gradient,
    plans,
)
from csakit.plugins.spec import Similarity
from helpers.features import feature_like, holes_at, random_hole, row_of


def test_single_hole_copies_its_best_match_exactly(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = rng.standard_normal((1, 8, 4, 4))
    features[0, :, 3, 2] = 2.0 * features[0, :, 0, 1]  # same direction, other length
    hole = np.zeros((1, 1, 4, 4))
    hole[0, 0, 0, 1] = 1.0

    filled = coherent_semantic_attention(features, hole, similarity)

    np.testing.assert_array_equal(filled[0, :, 0, 1], features[0, :, 3, 2])


def test_attention_rows_sum_to_one_and_use_known_positions_only(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 2, 8, 7, 5)
    hole = random_hole(rng, 2, 7, 5)
    missing = hole.reshape(2, 35) > 0

    A = attention_weights(features, hole, similarity)

    np.testing.assert_allclose(A.sum(axis=2), 1.0, rtol=1e-12)
    assert not A.transpose(0, 2, 1)[missing].any()
    np.testing.assert_array_equal(A[~missing], np.stack([np.eye(35)] * 2)[~missing])


def test_filled_is_attention_times_features(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 2, 8, 7, 5)
    hole = random_hole(rng, 2, 7, 5)

    A = attention_weights(features, hole, similarity)
    product = A @ features.reshape(2, 8, 35).transpose(0, 2, 1)

    filled = coherent_semantic_attention(features, hole, similarity)
    np.testing.assert_allclose(filled.reshape(2, 8, 35).transpose(0, 2, 1), product, rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["no hole", "no known position"])
def test_an_image_without_holes_or_without_known_positions_is_unchanged(
    rng: np.random.Generator, similarity: Similarity, share: float
) -> None:
    features = rng.standard_normal((2, 8, 3, 3))
    hole = np.full((2, 1, 3, 3), share)

    np.testing.assert_array_equal(coherent_semantic_attention(features, hole, similarity), features)
    np.testing.assert_array_equal(
        attention_weights(features, hole, similarity), np.stack([np.eye(9)] * 2)
    )
    assert all(plan.holes.size == 0 for plan in plans(features, hole, similarity))


def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(similarity: Similarity) -> None:
    features = row_of((0, 1), (1, 0), (3, 0), (0, 1), (1, 0))
    hole = holes_at(2, width=5)

    (plan,) = plans(features, hole, similarity)

    np.testing.assert_array_equal(plan.matches, [1])


def test_holes_are_filled_in_raster_order(rng: np.random.Generator, similarity: Similarity) -> None:
    features = feature_like(rng, 1, 8, 6, 9)
    hole = random_hole(rng, 1, 6, 9)

    (plan,) = plans(features, hole, similarity)

    np.testing.assert_array_equal(plan.holes, np.flatnonzero(hole))
    assert plan.weights[0] == 0.0
    assert plan.weights[1:].all()


def test_projection_equals_a_computation_by_hand() -> None:
    features = row_of((2, 1), (3, 4), (1, 0), (0, 1), (-3, 4))
    hole = holes_at(0, 1, 4, width=5)

    (plan,) = plans(features, hole, "projection")
    filled = coherent_semantic_attention(features, hole, "projection")

    np.testing.assert_array_equal(plan.matches, [2, 3, 3])
    np.testing.assert_allclose(plan.scores, [2, 4, 4], rtol=1e-7)  # the norm's epsilon, 1e-8
    # a_2 = 3/5, w_2 = 3/23, y_2 = (3, 20)/23; a_3 = (71/5)/23, w_3 = 71/531
    np.testing.assert_allclose(plan.weights, [0, 3 / 23, 71 / 531], rtol=1e-7)
    expected = [(1, 0), (3 / 23, 20 / 23), (71 * 3 / 23 / 531, (71 * 20 / 23 + 460) / 531)]
    np.testing.assert_allclose(filled[0, :, 0, [0, 1, 4]], expected, rtol=1e-7)


def test_cosine_equals_a_computation_by_hand() -> None:
    features = row_of((2, 1), (3, 4), (5, 0), (0, 2))
    hole = holes_at(0, 1, width=4)

    (plan,) = plans(features, hole, "cosine")
    filled = coherent_semantic_attention(features, hole, "cosine")

    np.testing.assert_array_equal(plan.matches, [2, 3])
    np.testing.assert_allclose(plan.scores, [2 / 5**0.5, 4 / 5], rtol=1e-7)
    # a_2 = <(3, 4)/5, (1, 0)> = 3/5, w_2 = (3/5) / (3/5 + 4/5)
    np.testing.assert_allclose(plan.weights, [0, 3 / 7], rtol=1e-7)
    np.testing.assert_allclose(filled[0, :, 0, 1], (15 / 7, 8 / 7), rtol=1e-7)


@pytest.mark.parametrize("sum_", [0.0, 5e-7, -5e-7])
def test_the_match_is_copied_where_the_denominator_vanishes(
    similarity: Similarity, sum_: float
) -> None:
    left, right = (sum_ - 1, 0), (1, 0)  # a_2 = sum - 1, or -1 as a cosine; s_2 = 1
    features = row_of(left, right, left, right, dtype=np.float64)
    hole = holes_at(0, 1, width=4)

    (plan,) = plans(features, hole, similarity)
    filled = coherent_semantic_attention(features, hole, similarity)

    np.testing.assert_array_equal(plan.matches, [2, 3])
    np.testing.assert_array_equal(plan.weights, [0.0, 0.0])
    np.testing.assert_array_equal(filled[0, :, 0, 1], right)


@pytest.mark.parametrize("sum_", [1e-3, 2e-6, -2e-6])
def test_a_ratio_near_a_vanishing_denominator_is_not_clamped(sum_: float) -> None:
    left, right = (sum_ - 1, 0), (1, 0)
    features = row_of(left, right, left, right, dtype=np.float64)
    hole = holes_at(0, 1, width=4)

    (plan,) = plans(features, hole, "projection")
    filled = coherent_semantic_attention(features, hole, "projection")

    w = (sum_ - 1) / sum_
    np.testing.assert_allclose(plan.weights, [0, w], rtol=1e-6)
    np.testing.assert_allclose(filled[0, :, 0, 1], (w * (sum_ - 1) + 1 - w, 0), rtol=1e-6)


def test_two_holes_share_their_gradient_as_computed_by_hand() -> None:
    # (2, 1) matches (1, 0); (3, 4) matches (0, 1) with s = 4 and a = 3/5, hence w = 3/23
    features = np.array([[2, 3, 1, 0], [1, 4, 0, 1]]).reshape(1, 2, 2, 2)
    hole = np.array([1, 1, 0, 0]).reshape(1, 1, 2, 2)
    dY = np.array([[1, 2, 4, 8], [-1, 3, 0, 5]], dtype=np.float64)

    dX = input_gradient(features, hole, dY.reshape(1, 2, 2, 2)).reshape(2, 4)

    np.testing.assert_array_equal(dX[:, :2], dY[:, :2])
    of_third = 2 * dY[:, 2] + dY[:, 0] + 3 / 23 * dY[:, 1]
    of_fourth = 2 * dY[:, 3] + 20 / 23 * dY[:, 1]
    np.testing.assert_allclose(dX[:, 2], of_third, rtol=1e-7)  # the norm's epsilon, 1e-8
    np.testing.assert_allclose(dX[:, 3], of_fourth, rtol=1e-7)


def test_it_is_the_adjoint_of_features_plus_attention_times_features(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 2, 8, 6, 5)
    hole = random_hole(rng, 2, 6, 5)
    dY, direction = rng.standard_normal((2, *features.shape))
    A = attention_weights(features, hole, similarity)

    dX = input_gradient(features, hole, dY, similarity)

    moved = (A @ direction.reshape(2, 8, 30).transpose(0, 2, 1)).transpose(0, 2, 1)
    forward = np.vdot(dY, direction + moved.reshape(direction.shape))
    np.testing.assert_allclose(np.vdot(dX, direction), forward, rtol=1e-10)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["no hole", "no known position"])
def test_an_unchanged_image_passes_twice_its_gradient(
    rng: np.random.Generator, similarity: Similarity, share: float
) -> None:
    features, dY = rng.standard_normal((2, 2, 8, 3, 3))

    dX = input_gradient(features, np.full((2, 1, 3, 3), share), dY, similarity)

    np.testing.assert_array_equal(dX, 2 * dY)


@pytest.mark.parametrize("shape", [(1, 8, 3, 3), (2, 8, 9), (2, 8, 1, 9)])
def test_an_output_gradient_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    features, hole = np.ones((2, 8, 3, 3)), np.zeros((2, 1, 3, 3))

    with pytest.raises(ContractError, match="gradient"):
        input_gradient(features, hole, np.ones(shape))
