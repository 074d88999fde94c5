"""Distances are Euclidean, and exact up to their limit."""

import numpy as np
import pytest
from csakit.runtime.crops.distance import dilate, distance_to
from hypothesis import given, settings
from hypothesis import strategies as st


def brute_force(targets: np.ndarray, limit: int) -> np.ndarray:
    """Compare every pixel with every target."""
    rows, columns = np.indices(targets.shape)
    result = np.full(targets.shape, float(limit))
    for row, column in np.argwhere(targets):
        result = np.minimum(result, np.hypot(rows - row, columns - column))
    return result


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(0, 5),
    st.integers(0, 99),
)
def test_distances_are_those_of_a_brute_force_search(
    height: int, width: int, limit: int, count: int, seed: int
) -> None:
    targets = np.zeros((height, width), dtype=bool)
    places = np.random.default_rng(seed).integers(0, height * width, count)
    targets.reshape(-1)[places] = True

    np.testing.assert_allclose(distance_to(targets, limit), brute_force(targets, limit), rtol=1e-6)


@pytest.mark.parametrize(("radius", "area"), [(0, 1), (1, 5), (2, 13), (3, 29)])
def test_a_dilated_pixel_is_a_disc(radius: int, area: int) -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True

    assert dilate(mask, radius).sum() == area
