"""The function body computes what the oracle computes, at the edges of its contract too."""

import numpy as np
import numpy.typing as npt
import pytest
from csakit.export.graph.attention_function import CHUNK
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.train.masks import centre_hole, freeform_hole
from csakit.train.networks.inpainter import feature_hole_of
from helpers.features import feature_like, random_hole
from helpers.function_model import check_like_oracle, function_session
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)

# float32 sums in another order, through up to a few hundred dependent steps that contract
# (features are alike, so w is near a half)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
# The result is rounded to half once, at the end: half of 2^-10, and CLOSE.
CLOSE_HALF = {"rtol": 2**-11 + 1e-5, "atol": 1e-5}


def holes(count: int, height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Mark ``count`` positions of one image, (1, 1, H, W)."""
    mask = np.zeros(height * width, dtype=np.float32)
    mask[rng.choice(mask.size, count, replace=False)] = 1.0
    return mask.reshape(1, 1, height, width)


@st.composite
def masks(draw: st.DrawFn) -> npt.NDArray[np.float32]:
    """Draw (B, 1, H, W): each image its own mask, without, with some or with holes only."""
    side = st.integers(1, 9)
    batch, height, width = draw(st.integers(1, 3)), draw(side), draw(side)
    some = npst.arrays(np.bool_, (height, width))
    of_one = st.one_of(some, st.booleans().map(lambda all_: np.full((height, width), all_)))
    drawn = [draw(of_one) for _ in range(batch)]
    return np.stack(drawn)[:, None].astype(np.float32)


@each_similarity
@settings(max_examples=60)
@given(hole=masks(), channels=st.integers(4, 20), seed=st.integers(0, 2**32 - 1))
def test_any_masks_and_shapes_give_what_the_oracle_gives(
    similarity: Similarity, hole: npt.NDArray[np.float32], channels: int, seed: int
) -> None:
    batch, _, height, width = hole.shape
    features = feature_like(np.random.default_rng(seed), batch, channels, height, width)

    check_like_oracle(features, hole, similarity, **CLOSE)


@each_similarity
@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 140])
def test_hole_counts_around_the_chunk_size_give_what_the_oracle_gives(
    rng: np.random.Generator, similarity: Similarity, count: int
) -> None:
    features = feature_like(rng, 1, 16, 12, 13)

    check_like_oracle(features, holes(count, 12, 13, rng), similarity, **CLOSE)


@each_similarity
def test_each_image_of_a_batch_has_its_own_mask_and_hole_count(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 5, 16, 9, 11)
    hole = np.concatenate([holes(count, 9, 11, rng) for count in (65, 0, 99, 7, 33)])

    check_like_oracle(features, hole, similarity, **CLOSE)


@each_similarity
def test_an_image_of_holes_only_beside_one_without_holes_leaves_both_unchanged(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = rng.standard_normal((2, 8, 6, 7), dtype=np.float32)
    hole = np.stack([np.ones((1, 6, 7)), np.zeros((1, 6, 7))]).astype(np.float32)

    filled, _, chunks = function_session(similarity).run(None, {"features": features, "hole": hole})

    np.testing.assert_array_equal(filled, features)
    assert chunks == 0


@each_similarity
@pytest.mark.parametrize("kind", ["centre", "strokes"])
def test_the_published_size_gives_what_the_oracle_gives(
    rng: np.random.Generator, similarity: Similarity, kind: str
) -> None:
    import torch

    pixels = centre_hole(256, 256) if kind == "centre" else freeform_hole(256, 256, rng)
    hole = feature_hole_of(torch.from_numpy(pixels)[None, None].float()).numpy()

    check_like_oracle(feature_like(rng, 1, 512, 32, 32), hole, similarity, **CLOSE)


@each_similarity
@pytest.mark.parametrize(("features", "hole"), [("float16", "float32"), ("float16", "float16")])
def test_half_precision_is_rounded_only_where_it_leaves(
    rng: np.random.Generator, similarity: Similarity, features: str, hole: str
) -> None:
    x = feature_like(rng, 2, 32, 12, 10).astype(features)

    check_like_oracle(x, random_hole(rng, 2, 12, 10).astype(hole), similarity, **CLOSE_HALF)


@each_similarity
def test_a_position_is_a_hole_above_one_half(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 1, 16, 6, 6)
    just_above = np.nextafter(np.float32(0.5), np.float32(1.0))
    levels = np.array([0.0, 0.25, 0.5, just_above, 0.75, 3.0], dtype=np.float32)

    check_like_oracle(features, rng.choice(levels, size=(1, 1, 6, 6)), similarity, **CLOSE)


@each_similarity
def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    axes = np.eye(4, dtype=np.float32)[rng.integers(4, size=100)]  # products with them are exact
    features = (axes * rng.choice([-1, 1], size=(100, 1))).T.reshape(1, 4, 10, 10)
    hole = random_hole(rng, 1, 10, 10)
    queries = rng.integers(1, 5, size=features.shape)
    features = np.where(hole > 0, queries, features).astype(np.float32)

    check_like_oracle(features, hole, similarity, rtol=1e-4, atol=1e-4)


@each_similarity
def test_one_channel_is_enough(rng: np.random.Generator, similarity: Similarity) -> None:
    features = rng.choice([-1.0, 1.0], size=(2, 1, 7, 9)).astype(np.float32)

    check_like_oracle(features, random_hole(rng, 2, 7, 9), similarity, **CLOSE)


@each_similarity
def test_the_match_is_copied_where_the_denominator_vanishes(similarity: Similarity) -> None:
    features = np.array([[-1, 0], [1, 0], [-1, 0], [1, 0]], dtype=np.float32)  # a_2 = -1, s_2 = 1
    features = features.T.reshape(1, 2, 1, 4)
    hole = np.array([1, 1, 0, 0], dtype=np.float32).reshape(1, 1, 1, 4)

    filled, *_ = function_session(similarity).run(None, {"features": features, "hole": hole})

    np.testing.assert_array_equal(filled, features[..., [2, 3, 2, 3]])


def test_a_ratio_near_a_vanishing_denominator_is_not_clamped() -> None:
    vectors = np.array([[-1, 0], [1, 0], [-1.001, 0], [1, 0]], dtype=np.float32)
    features = vectors.T.reshape(1, 2, 1, 4)  # a_2 + s_2 = -0.001, of which 14 bits are right
    hole = np.array([1, 1, 0, 0], dtype=np.float32).reshape(1, 1, 1, 4)

    check_like_oracle(features, hole, "projection", rtol=1e-3)


@each_similarity
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e3]))
def test_wild_features_give_finite_values(similarity: Similarity, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    features = (scale * rng.standard_normal((2, 3, 16, 16))).astype(np.float32)
    hole = random_hole(rng, 2, 16, 16, share=0.6)

    filled, *_ = function_session(similarity).run(None, {"features": features, "hole": hole})

    assert np.isfinite(filled).all()


@each_similarity
def test_vectors_of_zero_among_the_others_give_what_the_oracle_gives(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 2, 8, 9, 11)
    features[:, :, rng.random((9, 11)) < 0.3] = 0.0  # known ones and holes

    check_like_oracle(features, random_hole(rng, 2, 9, 11), similarity, **CLOSE)


@each_similarity
def test_features_of_zero_stay_zero(rng: np.random.Generator, similarity: Similarity) -> None:
    features = np.zeros((1, 8, 9, 9), dtype=np.float32)

    check_like_oracle(features, random_hole(rng, 1, 9, 9), similarity, rtol=0, atol=0)


def test_a_vector_that_nearly_cancels_gives_finite_values(
    rng: np.random.Generator,
) -> None:
    u, v = np.linalg.qr(rng.standard_normal((200, 16, 2)))[0].transpose(2, 0, 1)
    known = [u + 1e-4 * v, -u + 1e-4 * v]  # their mean, y_2, has a square below rounding
    features = np.stack([u, v, v + u, *known], axis=-1)[:, :, None].astype(np.float32)
    hole = np.broadcast_to(np.float32([1, 1, 1, 0, 0]), (200, 1, 1, 5))

    filled, *_ = function_session("cosine").run(None, {"features": features, "hole": hole})

    assert np.isfinite(filled).all()


@each_similarity
def test_the_order_of_the_images_of_a_batch_does_not_matter(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features, hole = feature_like(rng, 3, 16, 9, 11), random_hole(rng, 3, 9, 11)
    session = function_session(similarity)

    forwards, *_ = session.run(None, {"features": features, "hole": hole})
    backwards, *_ = session.run(None, {"features": features[::-1], "hole": hole[::-1]})

    np.testing.assert_allclose(backwards[::-1], forwards, **CLOSE)
    alone = reference.coherent_semantic_attention(features[1:2], hole[1:2], similarity)
    np.testing.assert_allclose(forwards[1:2], alone, **CLOSE)
