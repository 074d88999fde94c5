"""What the function body adds to the properties of every form; see ``tests/attention``."""

import numpy as np
import pytest
from csakit.plugins.spec import Similarity
from csakit.train.masks import centre_hole, freeform_hole
from csakit.train.networks.inpainter import feature_hole_of
from helpers.features import feature_like, random_hole
from helpers.function_model import check_like_oracle, function_session

# float32 sums in another order, through up to a few hundred dependent steps that contract
# (features are alike, so w is near a half)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
# The result is rounded to half once, at the end: half of 2^-10, and CLOSE.
CLOSE_HALF = {"rtol": 2**-11 + 1e-5, "atol": 1e-5}


def test_an_image_of_holes_only_beside_one_without_holes_leaves_both_unchanged(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = rng.standard_normal((2, 8, 6, 7), dtype=np.float32)
    hole = np.stack([np.ones((1, 6, 7)), np.zeros((1, 6, 7))]).astype(np.float32)

    filled, _, chunks = function_session(similarity).run(None, {"features": features, "hole": hole})

    np.testing.assert_array_equal(filled, features)
    assert chunks == 0


@pytest.mark.parametrize("kind", ["centre", "strokes"])
def test_the_published_size_gives_what_the_oracle_gives(
    rng: np.random.Generator, similarity: Similarity, kind: str
) -> None:
    import torch

    pixels = centre_hole(256, 256) if kind == "centre" else freeform_hole(256, 256, rng)
    hole = feature_hole_of(torch.from_numpy(pixels)[None, None].float()).numpy()

    check_like_oracle(feature_like(rng, 1, 512, 32, 32), hole, similarity, **CLOSE)


@pytest.mark.parametrize(("features", "hole"), [("float16", "float32"), ("float16", "float16")])
def test_half_precision_is_rounded_only_where_it_leaves(
    rng: np.random.Generator, similarity: Similarity, features: str, hole: str
) -> None:
    x = feature_like(rng, 2, 32, 12, 10).astype(features)

    check_like_oracle(x, random_hole(rng, 2, 12, 10).astype(hole), similarity, **CLOSE_HALF)


def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    axes = np.eye(4, dtype=np.float32)[rng.integers(4, size=100)]  # products with them are exact
    features = (axes * rng.choice([-1, 1], size=(100, 1))).T.reshape(1, 4, 10, 10)
    hole = random_hole(rng, 1, 10, 10)
    queries = rng.integers(1, 5, size=features.shape)
    features = np.where(hole > 0, queries, features).astype(np.float32)

    check_like_oracle(features, hole, similarity, rtol=1e-4, atol=1e-4)


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
