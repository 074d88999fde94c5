"""Metrics against values that a pencil computes, and inside the hole only."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from csakit.export.metrics import psnr_in_hole, ssim_in_hole

SHAPE = (3, 32, 32)


@pytest.fixture
def hole() -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE[1:], dtype=bool)
    mask[12:20, 12:20] = True
    return mask


@pytest.mark.parametrize(
    ("difference", "decibels"), [(2.0, 0.0), (0.2, 20.0), (0.02, 40.0), (1 / 127.5, 48.1308)]
)
def test_psnr_is_what_a_pencil_computes(
    hole: npt.NDArray[np.bool_], difference: float, decibels: float
) -> None:
    black = np.full(SHAPE, -1.0, dtype=np.float32)

    assert psnr_in_hole(black, black + np.float32(difference), hole) == pytest.approx(
        decibels, abs=1e-3
    )


def test_psnr_is_of_the_mean_of_the_squares(hole: npt.NDArray[np.bool_]) -> None:
    black = np.zeros(SHAPE, dtype=np.float32)
    other = black.copy()
    other[0, 12:16, 12:20] = 0.4  # a sixth of the values: mean square 0.16 / 6

    found = psnr_in_hole(black, other, hole)

    assert found == pytest.approx(10 * math.log10(4 * 6 / 0.16), abs=1e-4)


@pytest.mark.parametrize("metric", [psnr_in_hole, ssim_in_hole])
def test_equal_images_have_the_best_value(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator, metric: object
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)

    assert metric(image, image, hole) == {psnr_in_hole: math.inf, ssim_in_hole: 1.0}[metric]
    assert metric(image, -image, np.zeros_like(hole)) == metric(image, image, hole)


def test_what_differs_outside_the_hole_does_not_count(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    other = np.where(hole, image, -image)

    assert psnr_in_hole(image, other, hole) == math.inf


def test_ssim_sees_its_window_of_seven_around_the_hole_and_no_further(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    near, far = image.copy(), image.copy()
    near[:, 9, 15] *= -1
    far[:, 8, 15] *= -1

    assert ssim_in_hole(image, near, hole) < 1.0
    assert ssim_in_hole(image, far, hole) == pytest.approx(1.0, abs=1e-6)


def test_ssim_of_flat_images_is_what_a_pencil_computes(hole: npt.NDArray[np.bool_]) -> None:
    grey, light = np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.6, np.float32)
    c1 = (0.01 * 2.0) ** 2  # of the definition, for a range of 2

    found = ssim_in_hole(grey, light, hole)

    assert found == pytest.approx((2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1), abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_gives_no_good_value(
    hole: npt.NDArray[np.bool_], value: float
) -> None:
    image = np.zeros(SHAPE, dtype=np.float32)
    other = image.copy()
    other[1, 15, 15] = value

    assert not psnr_in_hole(image, other, hole) > -math.inf
    assert not ssim_in_hole(image, other, hole) <= 1.0
