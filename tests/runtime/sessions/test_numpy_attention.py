"""The NumPy form of CSA computes what the oracle says, in float32."""

import numpy as np
import pytest
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.runtime.sessions.numpy_attention import fill_holes
from helpers.features import feature_like

each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


def holes(rng: np.random.Generator, batch: int, side: int, share: float) -> np.ndarray:
    return (rng.random((batch, 1, side, side)) < share).astype(np.float32)


@each_similarity
def test_it_agrees_with_the_oracle_where_every_image_has_its_own_holes(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 3, 24, 12, 12)
    hole = np.concatenate([holes(rng, 1, 12, share) for share in (0.1, 0.5, 0.9)])

    filled = fill_holes(features, hole, similarity)

    expected = coherent_semantic_attention(features, hole, similarity)
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled, expected, atol=2e-5)
    known = np.broadcast_to(hole == 0, features.shape)
    assert (filled[known] == features[known]).all()


@each_similarity
@pytest.mark.parametrize("share", [0, 1])
def test_an_image_without_holes_or_without_known_positions_stays(
    rng: np.random.Generator, similarity: Similarity, share: int
) -> None:
    features = feature_like(rng, 1, 8, 4, 4)

    filled = fill_holes(features, np.full((1, 1, 4, 4), share, np.float32), similarity)

    assert (filled == features).all()
    assert filled is not features


@each_similarity
def test_of_equal_candidates_the_first_is_taken(similarity: Similarity) -> None:
    # The two known positions are equal but for their length; their directions are the same.
    features = np.zeros((1, 2, 1, 3), np.float32)
    features[0, 0] = (2, 4, 1)
    hole = np.array([0, 0, 1], np.float32).reshape(1, 1, 1, 3)

    filled = fill_holes(features, hole, similarity)

    assert filled[0, 0, 0, 2] == 2


@each_similarity
def test_a_vanishing_sum_copies_the_match(similarity: Similarity) -> None:
    features = np.zeros((1, 3, 2, 4), np.float32)
    features[0, 0, 0, 0] = 1  # the one known position that is not zero
    hole = np.ones((1, 1, 2, 4), np.float32)
    hole[0, 0, 0, 0] = 0

    filled = fill_holes(features, hole, similarity)  # queries of zero: a + s is 0

    np.testing.assert_array_equal(filled, coherent_semantic_attention(features, hole, similarity))
    assert (filled[0, 0] == 1).all()


@each_similarity
def test_wild_numbers_give_no_crash_and_no_warning(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = (rng.standard_normal((1, 8, 8, 8)) * 1e6).astype(np.float32)

    assert np.isfinite(fill_holes(features, holes(rng, 1, 8, 0.5), similarity)).all()


def test_a_grey_mask_is_a_hole_above_the_threshold(rng: np.random.Generator) -> None:
    features = feature_like(rng, 1, 8, 4, 4)
    grey = np.full((1, 1, 4, 4), 0.5, np.float32)
    grey[0, 0, 1, 1] = 0.6

    filled = fill_holes(features, grey, "cosine")

    changed = (filled != features).any(axis=1)[0]
    assert changed[1, 1]
    assert changed.sum() == 1
