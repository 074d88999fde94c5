"""The hole that the attention sees is the published one, counted here position by position."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from csakit.train.masks import centre_hole
from csakit.train.networks.inpainter import feature_hole_of
from helpers.features import random_hole


def averaged(cover: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average 4x4 windows at stride 2; what lies outside counts as 0."""
    height, width = cover.shape
    padded = np.pad(cover, 1)
    half = np.zeros((height // 2, width // 2))
    for row in range(height // 2):
        for column in range(width // 2):
            half[row, column] = padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4].mean()
    return half


def expected_of(hole: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    missing: npt.NDArray[np.bool_] = averaged(averaged(averaged(hole))) > 5 / 16
    return missing


def feature_hole(hole: npt.NDArray[np.floating] | npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    result = feature_hole_of(torch.from_numpy(hole[None, None]))
    positions: npt.NDArray[np.float32] = result[0, 0].numpy()
    return positions


@pytest.mark.parametrize("share", [0.1, 0.3, 0.35, 0.5])
@pytest.mark.parametrize("block", [1, 8])
def test_scattered_holes_are_averaged_three_times(
    rng: np.random.Generator, share: float, block: int
) -> None:
    scattered = random_hole(rng, 1, 64 // block, 128 // block, share=share)[0, 0]
    hole = np.kron(scattered, np.ones((block, block), dtype=np.float32))

    np.testing.assert_array_equal(feature_hole(hole), expected_of(hole.astype(np.float64)))


def test_the_centre_hole_of_the_paper_has_252_positions() -> None:
    hole = centre_hole(256, 256)

    result = feature_hole(hole.astype(np.float32))

    assert hole.sum() == 120 * 120
    assert result.sum() == 252


def test_the_zeros_outside_the_image_count() -> None:
    result = feature_hole(np.ones((64, 64), dtype=np.float32))

    np.testing.assert_array_equal(result, expected_of(np.ones((64, 64))))
    assert result[1:-1, 1:-1].all()


def test_a_cover_of_exactly_the_threshold_is_known() -> None:
    at, above = np.zeros((2, 64, 64), dtype=np.float32)
    at[:, 17:25] = 1.0  # 20/64 of what position 3 of 8 averages
    above[:, 17:26] = 1.0  # 24/64
    assert averaged(averaged(averaged(at.astype(np.float64))))[3, 3] == 5 / 16

    assert feature_hole(at)[3, 3] == 0
    assert feature_hole(above)[3, 3] == 1


def test_every_image_has_its_own_hole(rng: np.random.Generator) -> None:
    holes = torch.from_numpy(random_hole(rng, 3, 64, 64))

    together = feature_hole_of(holes)

    assert together.equal(torch.cat([feature_hole_of(hole[None]) for hole in holes]))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float16, torch.float64])
def test_a_hole_of_any_type_gives_float32(rng: np.random.Generator, dtype: torch.dtype) -> None:
    hole = torch.from_numpy(random_hole(rng, 1, 64, 64))

    result = feature_hole_of(hole.to(dtype))

    assert result.dtype == torch.float32
    assert result.equal(feature_hole_of(hole))
