"""The oracle's gradient is dX = dY + A^T dY, by hand and by its definition."""

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.plugins.reference import attention_weights, input_gradient
from csakit.plugins.spec import Similarity
from helpers.features import feature_like, random_hole


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
