"""Regions are those of another library at any density, distances those of a brute-force search."""

import time

import numpy as np
import pytest
from csakit.runtime.crops.regions import connected_regions, dilate, distance_to, largest_square
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import measure


@pytest.mark.parametrize("density", [0, 0.01, 0.2, 0.4, 0.6, 0.95])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (61, 83)])
def test_regions_are_those_of_scikit_image(
    density: float, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    hole = rng.random(shape) < density

    labels, boxes = connected_regions(hole)

    expected = measure.label(hole, connectivity=2)
    np.testing.assert_array_equal(labels + 1, expected)  # both count in raster order
    assert boxes.tolist() == [list(region.bbox) for region in measure.regionprops(expected)]


def test_a_spiral_is_one_region() -> None:
    hole = np.zeros((401, 401), dtype=bool)
    hole[::2] = True
    hole[1::4, -1] = True
    hole[3::4, 0] = True

    assert len(connected_regions(hole)[1]) == 1


def test_a_large_and_tangled_hole_takes_seconds_at_most(rng: np.random.Generator) -> None:
    hole = rng.random((2000, 3000)) < 0.3
    started = time.perf_counter()

    connected_regions(hole)

    assert time.perf_counter() - started < 5  # 0.4 s on a quiet machine


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 3))
def test_the_largest_square_of_a_rectangle_has_its_shorter_side(
    height: int, width: int, border: int
) -> None:
    region = np.pad(np.ones((height, width), dtype=bool), border)

    assert largest_square(region) == min(height, width)


def test_the_largest_square_of_a_disc_and_a_thin_ring() -> None:
    rows, columns = np.indices((201, 201)) - 100
    disc = rows**2 + columns**2 <= 90**2

    assert abs(largest_square(disc) - 90 * np.sqrt(2)) <= 2
    assert largest_square(disc & (rows**2 + columns**2 >= 84**2)) < 30


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
