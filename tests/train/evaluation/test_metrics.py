"""Metrics against values that a pencil computes, and inside the hole only."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.tensors.pixels import Bool, Float32, Uint8
from csakit.train.evaluation.metrics import hole_psnr, hole_ssim, measure, sharpness

SHAPE = (3, 32, 32)


@pytest.fixture
def hole() -> Bool:
    mask = np.zeros(SHAPE[1:], dtype=bool)
    mask[12:20, 12:20] = True
    return mask


@pytest.fixture
def noise(rng: np.random.Generator) -> Float32:
    return rng.uniform(-1, 1, SHAPE).astype(np.float32)


@pytest.mark.parametrize(
    ("difference", "decibels"), [(2.0, 0.0), (0.2, 20.0), (0.02, 40.0), (1 / 127.5, 48.1308)]
)
def test_psnr_is_what_a_pencil_computes(hole: Bool, difference: float, decibels: float) -> None:
    black = np.full(SHAPE, -1.0, dtype=np.float32)
    other = black + np.float32(difference)

    assert hole_psnr(black, other, hole) == pytest.approx(decibels, abs=1e-3)


def test_psnr_is_of_the_mean_of_the_squares(hole: Bool) -> None:
    black = np.zeros(SHAPE, dtype=np.float32)
    other = black.copy()
    other[0, 12:16, 12:20] = 0.4  # a sixth of the values: mean square 0.16 / 6

    found = hole_psnr(black, other, hole)

    assert found == pytest.approx(10 * math.log10(4 * 6 / 0.16), abs=1e-4)


@pytest.mark.parametrize(("metric", "best"), [(hole_psnr, math.inf), (hole_ssim, 1.0)])
def test_equal_images_and_empty_holes_have_the_best_value(
    hole: Bool, noise: Float32, metric: Callable[..., float], best: float
) -> None:
    assert metric(noise, noise, hole) == best
    assert metric(noise, -noise, np.zeros_like(hole)) == best


def test_what_differs_outside_the_hole_does_not_count(hole: Bool, noise: Float32) -> None:
    assert hole_psnr(noise, np.where(hole, noise, -noise), hole) == math.inf


def test_ssim_sees_its_window_of_seven_around_the_hole_and_no_further(
    hole: Bool, noise: Float32
) -> None:
    near, far = noise.copy(), noise.copy()
    near[:, 9, 15] *= -1
    far[:, 8, 15] *= -1

    assert hole_ssim(noise, near, hole) < 1.0
    assert hole_ssim(noise, far, hole) == pytest.approx(1.0, abs=1e-6)


def test_ssim_of_flat_images_is_what_a_pencil_computes(hole: Bool) -> None:
    grey, light = np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.6, np.float32)
    c1 = (0.01 * 2.0) ** 2  # of the definition, for a range of 2

    found = hole_ssim(grey, light, hole)

    assert found == pytest.approx((2 * 1.2 * 1.6 + c1) / (1.2**2 + 1.6**2 + c1), abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_gives_no_good_value(hole: Bool, value: float) -> None:
    image = np.zeros(SHAPE, dtype=np.float32)
    other = image.copy()
    other[1, 15, 15] = value

    assert not hole_psnr(image, other, hole) > -math.inf
    assert not hole_ssim(image, other, hole) <= 1.0


GREY = np.full((32, 32, 3), 51, dtype=np.uint8)


@pytest.mark.parametrize(
    ("colour", "l1", "l2"),
    [
        pytest.param((51, 102, 51), 20 / 3, 4 / 3, id="an error in one channel counts a third"),
        pytest.param((102, 102, 102), 20, 4, id="lighter"),
        pytest.param((0, 0, 0), 20, 4, id="darker counts as lighter does"),
    ],
)
def test_errors_are_per_cent_of_the_range_and_of_its_square(
    hole: Bool, colour: tuple[int, int, int], l1: float, l2: float
) -> None:
    _, inside = measure(np.where(hole[..., None], np.uint8(colour), GREY), GREY, hole)

    assert (inside.l1_percent, inside.l2_percent) == (pytest.approx(l1), pytest.approx(l2))


def test_ssim_over_the_whole_image_is_one_where_no_window_sees_the_hole(
    rng: np.random.Generator,
) -> None:
    truth = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    corner = np.zeros((32, 32), dtype=bool)
    corner[0, 0] = True  # only windows that leave the image have it in their middle
    result = truth.copy()
    result[corner] ^= 255

    whole, inside = measure(result, truth, corner)

    windows = 26**2  # of 7 x 7 within 32 x 32; one of them has the corner
    assert inside.ssim < whole.ssim < 1.0
    assert whole.ssim >= 1 - 2 / windows


def test_bytes_and_network_numbers_give_the_same_values(
    hole: Bool, rng: np.random.Generator
) -> None:
    truth = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    result = np.where(hole[..., None], rng.integers(0, 256, truth.shape, dtype=np.uint8), truth)
    as_numbers = [(x.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32) for x in (result, truth)]

    _, inside = measure(result, truth, hole)

    assert hole_psnr(result, truth, hole) == inside.psnr_db
    assert hole_ssim(result, truth, hole) == inside.ssim
    assert hole_psnr(*as_numbers, hole) == pytest.approx(inside.psnr_db, abs=1e-4)
    assert hole_ssim(*as_numbers, hole) == pytest.approx(inside.ssim, abs=1e-4)


def test_sharpness_is_one_for_the_truth_and_zero_for_a_flat_hole(
    rng: np.random.Generator, hole: Bool
) -> None:
    truth: Uint8 = rng.integers(0, 256, GREY.shape, dtype=np.uint8)
    flat = np.where(hole[..., None], GREY, truth)

    assert sharpness(truth, truth, hole) == 1
    assert sharpness(flat, truth, hole) == 0
    assert math.isnan(sharpness(truth, flat, hole))


@pytest.mark.parametrize("metric", [measure, hole_psnr, hole_ssim])
def test_pictures_of_two_shapes_or_types_are_refused(
    hole: Bool, metric: Callable[..., object]
) -> None:
    for wrong in (GREY[:16], GREY.astype(np.float32), GREY[..., :1]):
        with pytest.raises(ContractError, match="must both be"):
            metric(wrong, GREY, hole)
    with pytest.raises(ContractError, match=r"hole \(H, W\) bool"):
        metric(GREY, GREY, hole.astype(np.uint8))
