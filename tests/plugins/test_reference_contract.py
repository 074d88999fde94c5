"""What the oracle accepts and refuses, and what it does not depend on."""

from collections.abc import Callable

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
from helpers.features import feature_like, random_hole

FUNCTIONS = (
    *(coherent_semantic_attention, attention_weights, plans),
    lambda features, *rest: input_gradient(features, rest[0], features, *rest[1:]),
)
SHAPE = (2, 8, 6, 5)

each_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_matches_do_not_depend_on_the_length_of_any_vector(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, *SHAPE)
    hole = random_hole(rng, 2, 6, 5)
    lengths = rng.uniform(0.1, 10.0, (2, 1, 6, 5))

    before = plans(features, hole, similarity)
    after = plans(features * lengths, hole, similarity)

    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.matches, other.matches)


def test_cosine_does_not_depend_on_the_length_of_hole_vectors(rng: np.random.Generator) -> None:
    features = feature_like(rng, *SHAPE)
    hole = random_hole(rng, 2, 6, 5)
    lengths = np.where(hole > 0, rng.uniform(0.1, 10.0, hole.shape), 1.0)

    before = attention_weights(features, hole, "cosine")
    after = attention_weights(features * lengths, hole, "cosine")

    np.testing.assert_allclose(after, before, atol=1e-6)  # the norm's epsilon, 1e-8, remains


def test_scaling_a_whole_image_scales_the_result(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, *SHAPE).astype(np.float64)
    hole = random_hole(rng, 2, 6, 5)

    filled = coherent_semantic_attention(features, hole, similarity)
    scaled = coherent_semantic_attention(8.0 * features, hole, similarity)

    np.testing.assert_allclose(scaled, 8.0 * filled, rtol=1e-6)  # the norm's epsilon, 1e-8


def test_projection_scales_the_score_but_not_the_adjacent_weight_with_a_hole(
    rng: np.random.Generator,
) -> None:
    features = feature_like(rng, 1, 8, 2, 6)
    hole = np.zeros((1, 1, 2, 6))
    hole[0, 0, 0, :2] = 1.0
    longer = features.copy()
    longer[..., 0, 1] *= 4.0  # the second hole

    (before,) = plans(features, hole, "projection")
    (after,) = plans(longer, hole, "projection")

    s, w = before.scores[1], before.weights[1]
    a = s * w / (1 - w)
    np.testing.assert_allclose(after.scores[1], 4.0 * s, rtol=1e-6)
    np.testing.assert_allclose(after.weights[1], a / (a + 4.0 * s), rtol=1e-6)


def test_a_batch_equals_its_images_one_by_one(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 4, 8, 6, 5)
    hole = random_hole(rng, 4, 6, 5)
    hole[1], hole[2] = 0.0, 1.0

    together = coherent_semantic_attention(features, hole, similarity)

    for i in range(4):
        alone = coherent_semantic_attention(features[i : i + 1], hole[i : i + 1], similarity)
        np.testing.assert_array_equal(together[i : i + 1], alone)


def test_a_position_is_a_hole_above_one_half(rng: np.random.Generator) -> None:
    features = feature_like(rng, 1, 8, 1, 4)
    grey = np.array([0.5, np.nextafter(0.5, 1.0), 0.49, 1.0]).reshape(1, 1, 1, 4)

    (plan,) = plans(features, grey)

    np.testing.assert_array_equal(plan.holes, [1, 3])


@pytest.mark.parametrize("zeros", ["holes", "known", "all"])
def test_zero_vectors_give_no_nan(
    rng: np.random.Generator, similarity: Similarity, zeros: str
) -> None:
    features = feature_like(rng, *SHAPE)
    hole = random_hole(rng, 2, 6, 5)
    zeroed = {"holes": hole > 0, "known": hole == 0, "all": hole >= 0}[zeros]
    features = np.where(zeroed, 0.0, features)

    filled = coherent_semantic_attention(features, hole, similarity)

    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled * (hole == 0), features * (hole == 0))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float16, np.float32])
@pytest.mark.parametrize("hole_dtype", [bool, np.uint8, np.float32])
def test_any_real_type_is_read_as_its_values(
    rng: np.random.Generator, dtype: type[np.generic], hole_dtype: type[np.generic]
) -> None:
    features = rng.integers(1, 100, SHAPE).astype(dtype)
    hole = random_hole(rng, 2, 6, 5)

    filled = coherent_semantic_attention(features, hole.astype(hole_dtype))

    assert filled.dtype == np.float64
    expected = coherent_semantic_attention(features.astype(np.float64), hole)
    np.testing.assert_array_equal(filled, expected)


def test_inputs_are_not_modified(rng: np.random.Generator) -> None:
    features = feature_like(rng, *SHAPE).astype(np.float64)
    hole = random_hole(rng, 2, 6, 5)
    features_before, hole_before = features.copy(), hole.copy()

    coherent_semantic_attention(features, hole)

    np.testing.assert_array_equal(features, features_before)
    np.testing.assert_array_equal(hole, hole_before)


def test_an_empty_batch_gives_an_empty_batch(similarity: Similarity) -> None:
    features, hole = np.zeros((0, 8, 3, 4)), np.zeros((0, 1, 3, 4))

    assert coherent_semantic_attention(features, hole, similarity).shape == (0, 8, 3, 4)
    assert attention_weights(features, hole, similarity).shape == (0, 12, 12)
    assert input_gradient(features, hole, features, similarity).shape == (0, 8, 3, 4)


@each_function
def test_features_of_another_rank_are_refused(function: Callable[..., object]) -> None:
    with pytest.raises(
        ContractError, match=r"features must be \(B, C, H, W\); got shape \(8, 4, 4\)"
    ):
        function(np.zeros((8, 4, 4)), np.zeros((1, 1, 4, 4)))


@each_function
@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 8, 4, 4), (2, 1, 4, 5), (2, 4, 4)])
def test_a_hole_of_another_size_is_refused(
    function: Callable[..., object], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ContractError, match=r"hole must be \(B, 1, H, W\) with B, H, W of feature"):
        function(np.zeros((2, 8, 4, 4)), np.zeros(shape))


@each_function
def test_an_unknown_similarity_is_refused(function: Callable[..., object]) -> None:
    with pytest.raises(
        ContractError, match=r"must be one of \('projection', 'cosine'\); got 'dot'"
    ):
        function(np.zeros((1, 8, 4, 4)), np.zeros((1, 1, 4, 4)), "dot")
