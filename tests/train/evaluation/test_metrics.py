"""Metrics against values that a pencil computes, and inside the hole only."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.evaluation.metrics import hole_psnr, hole_ssim, measure

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

    assert hole_psnr(black, black + np.float32(difference), hole) == pytest.approx(
        decibels, abs=1e-3
    )


def test_psnr_is_of_the_mean_of_the_squares(hole: npt.NDArray[np.bool_]) -> None:
    black = np.zeros(SHAPE, dtype=np.float32)
    other = black.copy()
    other[0, 12:16, 12:20] = 0.4  # a sixth of the values: mean square 0.16 / 6

    found = hole_psnr(black, other, hole)

    assert found == pytest.approx(10 * math.log10(4 * 6 / 0.16), abs=1e-4)


@pytest.mark.parametrize("metric", [hole_psnr, hole_ssim])
def test_equal_images_have_the_best_value(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator, metric: object
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)

    assert metric(image, image, hole) == {hole_psnr: math.inf, hole_ssim: 1.0}[metric]
    assert metric(image, -image, np.zeros_like(hole)) == metric(image, image, hole)


def test_what_differs_outside_the_hole_does_not_count(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    other = np.where(hole, image, -image)

    assert hole_psnr(image, other, hole) == math.inf


def test_ssim_sees_its_window_of_seven_around_the_hole_and_no_further(
    hole: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    image = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    near, far = image.copy(), image.copy()
    near[:, 9, 15] *= -1
    far[:, 8, 15] *= -1

    assert hole_ssim(image, near, hole) < 1.0
    assert hole_ssim(image, far, hole) == pytest.approx(1.0, abs=1e-6)


def test_ssim_of_flat_images_is_what_a_pencil_computes(hole: npt.NDArray[np.bool_]) -> None:
    grey, light = np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.6, np.float32)
    c1 = (0.01 * 2.0) ** 2  # of the definition, for a range of 2

    found = hole_ssim(grey, light, hole)

    assert found == pytest.approx((2 * 1.2 * 1.6 + c1) / (1.2**2 + 1.6**2 + c1), abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_gives_no_good_value(
    hole: npt.NDArray[np.bool_], value: float
) -> None:
    image = np.zeros(SHAPE, dtype=np.float32)
    other = image.copy()
    other[1, 15, 15] = value

    assert not hole_psnr(image, other, hole) > -math.inf
    assert not hole_ssim(image, other, hole) <= 1.0


def bytes_with_error(hole: npt.NDArray[np.bool_], steps: int) -> tuple[npt.NDArray[np.uint8], ...]:
    """Give a grey truth, and a result that is lighter by some steps of 255 inside the hole."""
    truth = np.full((*hole.shape, 3), 51, dtype=np.uint8)
    result = truth.copy()
    result[hole] += np.uint8(steps)
    return result, truth


def test_an_error_in_one_channel_counts_a_third(hole: npt.NDArray[np.bool_]) -> None:
    result, truth = bytes_with_error(hole, 0)
    result[hole, 1] += np.uint8(51)

    _, inside = measure(result, truth, hole)

    assert inside.l1_percent == pytest.approx(20.0 / 3)
    assert inside.l2_percent == pytest.approx(4.0 / 3)


def test_darker_counts_as_lighter_does(hole: npt.NDArray[np.bool_]) -> None:
    lighter, truth = bytes_with_error(hole, 51)
    darker = truth.copy()
    darker[hole] = 0

    assert measure(darker, truth, hole)[1].l1_percent == measure(lighter, truth, hole)[1].l1_percent


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
    hole: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    truth = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    result = np.where(hole[..., None], rng.integers(0, 256, truth.shape, dtype=np.uint8), truth)
    as_numbers = [(x.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32) for x in (result, truth)]

    _, inside = measure(result, truth, hole)

    assert hole_psnr(result, truth, hole) == inside.psnr_db
    assert hole_ssim(result, truth, hole) == inside.ssim
    assert hole_psnr(*as_numbers, hole) == pytest.approx(inside.psnr_db, abs=1e-4)
    assert hole_ssim(*as_numbers, hole) == pytest.approx(inside.ssim, abs=1e-4)


def test_an_empty_hole_cannot_be_measured(hole: npt.NDArray[np.bool_]) -> None:
    result, truth = bytes_with_error(hole, 0)

    with pytest.raises(ContractError, match="no pixel is missing"):
        measure(result, truth, np.zeros_like(hole))


@pytest.mark.parametrize("metric", [measure, hole_psnr, hole_ssim])
def test_pictures_of_two_shapes_or_types_are_refused(
    hole: npt.NDArray[np.bool_], metric: object
) -> None:
    result, truth = bytes_with_error(hole, 0)

    for wrong in (result[:16], result.astype(np.float32), result[..., :1]):
        with pytest.raises(ContractError, match="must both be"):
            metric(wrong, truth, hole)
    with pytest.raises(ContractError, match=r"hole \(H, W\) bool"):
        metric(result, truth, hole.astype(np.uint8))
