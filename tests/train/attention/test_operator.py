"""The torch operator computes what the oracle computes, at the edges of its definition too."""

import numpy as np
import pytest
import torch
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.train.attention.chunked import CHUNK
from csakit.train.attention.operator import coherent_semantic_attention, match_indices
from helpers.features import Floats, feature_like, random_hole
from hypothesis import given, settings
from hypothesis import strategies as st

# The operator computes in float32, the oracle in float64. On features like these the blend is
# well-conditioned, so that the difference is rounding: at most 1.3e-7 of the largest feature
# over 1500 random cases.
TOLERANCE = 1e-6

each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


def filled_by_torch(features: Floats, hole: Floats, similarity: Similarity) -> Floats:
    x, mask = torch.from_numpy(features), torch.from_numpy(hole)
    filled: Floats = coherent_semantic_attention(x, mask, similarity).numpy()
    return filled


def assert_equals_oracle(features: Floats, hole: Floats, similarity: Similarity) -> None:
    filled = filled_by_torch(features, hole, similarity)

    expected = reference.coherent_semantic_attention(features, hole, similarity)
    np.testing.assert_allclose(filled, expected, atol=TOLERANCE * np.abs(features).max(initial=1))
    known = np.broadcast_to(hole <= 0.5, features.shape)
    np.testing.assert_array_equal(filled[known], features[known])


@each_similarity
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    channels=st.integers(4, 40),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    shares=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
@settings(max_examples=60)
def test_any_shape_and_any_holes_equal_the_oracle(
    similarity: Similarity,
    seed: int,
    batch: int,
    channels: int,
    height: int,
    width: int,
    shares: list[float],
) -> None:
    rng = np.random.default_rng(seed)
    features = feature_like(rng, batch, channels, height, width)
    hole = np.concatenate(
        [random_hole(rng, 1, height, width, share=share) for share in shares[:batch]]
    )

    assert_equals_oracle(features, hole, similarity)


@each_similarity
@pytest.mark.parametrize(
    "holes",
    [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 11 * 13 - 1, 11 * 13],
)
@pytest.mark.parametrize("where", ["first", "last", "scattered"])
def test_every_number_of_holes_equals_the_oracle(
    rng: np.random.Generator, similarity: Similarity, holes: int, where: str
) -> None:
    features = feature_like(rng, 1, 16, 11, 13)
    order = rng.permutation(143) if where == "scattered" else np.arange(143)
    hole = np.zeros(143, dtype=np.float32)
    hole[order[143 - holes :] if where == "last" else order[:holes]] = 1.0

    assert_equals_oracle(features, hole.reshape(1, 1, 11, 13), similarity)


@each_similarity
def test_every_image_of_a_batch_has_its_own_mask(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = np.repeat(feature_like(rng, 1, 16, 9, 10), 4, axis=0)
    hole = random_hole(rng, 4, 9, 10)
    hole[1], hole[2] = 0.0, 1.0

    together = filled_by_torch(features, hole, similarity)

    assert_equals_oracle(features, hole, similarity)
    for i in range(4):
        alone = filled_by_torch(features[i : i + 1], hole[i : i + 1], similarity)
        np.testing.assert_array_equal(together[i : i + 1], alone)


@each_similarity
def test_holes_on_all_borders_equal_the_oracle(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 1, 16, 8, 9)
    hole = np.ones((1, 1, 8, 9), dtype=np.float32)
    hole[..., 1:-1, 1:-1] = 0.0

    assert_equals_oracle(features, hole, similarity)


@each_similarity
def test_the_published_size_equals_the_oracle(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 1, 512, 32, 32)
    hole = np.zeros((1, 1, 32, 32), dtype=np.float32)
    hole[..., 8:24, 8:24] = 1.0

    assert_equals_oracle(features, hole, similarity)


@each_similarity
def test_one_channel_equals_the_oracle(rng: np.random.Generator, similarity: Similarity) -> None:
    # so large that the norm's epsilon vanishes in float64 too: then all directions are equal
    features = (rng.integers(1, 9, (2, 1, 6, 7)) * 2.0**30).astype(np.float32)
    hole = random_hole(rng, 2, 6, 7)

    assert_equals_oracle(features, hole, similarity)


@each_similarity
def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    axes = rng.integers(0, 3, (1, 64))
    features = np.ascontiguousarray(np.eye(5, dtype=np.float32)[axes].transpose(0, 2, 1))
    features = features.reshape(1, 5, 8, 8)
    hole = random_hole(rng, 1, 8, 8)

    matches = match_indices(torch.from_numpy(features), torch.from_numpy(hole), similarity)

    (plan,) = reference.plans(features, hole, similarity)
    np.testing.assert_array_equal(matches[0].numpy()[plan.holes], plan.matches)
    assert_equals_oracle(features, hole, similarity)


@each_similarity
@pytest.mark.parametrize("before", [0, CHUNK - 1], ids=["in a chunk", "where a chunk begins"])
@pytest.mark.parametrize("sum_", [0.0, 5e-7, -5e-7])
def test_the_match_is_copied_where_the_denominator_vanishes(
    similarity: Similarity, before: int, sum_: float
) -> None:
    left, right = (sum_ - 1.0, 0.0), (1.0, 0.0)
    vectors = [*[left] * (before + 1), right, left, right]  # the last two are known
    features = np.array(vectors, dtype=np.float32).T.reshape(1, 2, 1, -1)
    hole = np.ones((1, 1, 1, len(vectors)), dtype=np.float32)
    hole[..., -2:] = 0.0

    filled = filled_by_torch(features, hole, similarity)

    np.testing.assert_array_equal(filled[0, :, 0, before + 1], right)
    assert_equals_oracle(features, hole, similarity)


@each_similarity
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e12, 1e30])
def test_wild_features_give_no_nan(
    rng: np.random.Generator, similarity: Similarity, scale: float
) -> None:
    features = (scale * rng.standard_normal((4, 3, 16, 16))).astype(np.float32)
    hole = random_hole(rng, 4, 16, 16, share=0.7)

    filled = filled_by_torch(features, hole, similarity)

    assert np.isfinite(filled).all()
    known = np.broadcast_to(hole == 0, features.shape)
    np.testing.assert_array_equal(filled[known], features[known])


@each_similarity
def test_match_indices_are_the_plans_of_the_oracle(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 3, 16, 9, 10)
    hole = random_hole(rng, 3, 9, 10)
    hole[2] = 1.0

    matches = match_indices(torch.from_numpy(features), torch.from_numpy(hole), similarity)

    expected = np.tile(np.arange(90), (3, 1))  # a known position names itself
    for row, plan in zip(expected, reference.plans(features, hole, similarity), strict=True):
        row[plan.holes] = plan.matches
    assert matches.dtype == torch.int64
    np.testing.assert_array_equal(matches.numpy(), expected)


def test_a_position_is_a_hole_above_one_half(rng: np.random.Generator) -> None:
    features = feature_like(rng, 1, 8, 2, 2)
    grey = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.49, 1.0], np.float32)

    matches = match_indices(
        torch.from_numpy(features), torch.from_numpy(grey.reshape(1, 1, 2, 2)), "cosine"
    )

    assert (matches[0] != torch.arange(4)).tolist() == [False, True, False, True]
