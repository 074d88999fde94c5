"""Texture of large holes: taken from what is known, and nowhere else."""

import numpy as np
import pytest
from csakit.runtime.crops.texture import LEAST_RADIUS, transfer_texture
from csakit.runtime.inpainter import Inpainter
from csakit.runtime.options import InpaintOptions
from csakit.runtime.tensors.pixels import Bool, Uint8

from ..conftest import RecordingSession, hole_of


def rough(shape: tuple[int, int], deviation: float, rng: np.random.Generator) -> Uint8:
    """Return grey noise of pixels."""
    values = 128 + deviation * rng.standard_normal((*shape, 1))
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8), 3, axis=2)


def textured(image: Uint8, hole: Bool, missing: Bool | None = None, unit: int = 1) -> Uint8:
    result = image.copy()
    result[hole] = 128
    transfer_texture(image, result, hole, hole if missing is None else missing, unit)
    return result


@pytest.mark.parametrize(
    "hole",
    [
        hole_of((256, 256), (80, 80, 96, 96)),
        hole_of((256, 256), (0, 0, 120, 90)),
        hole_of((203, 219), (110, 130, 93, 89)),
        hole_of((256, 256), (64, 64, 130, 130)) & ~hole_of((256, 256), (128, 128, 2, 2)),
    ],
    ids=["inside", "corner", "odd sides", "known island"],
)
def test_a_large_hole_is_as_rough_as_its_surroundings(hole: Bool, rng: np.random.Generator) -> None:
    image = rough(hole.shape, 12, rng)
    result = textured(image, hole)
    assert np.array_equal(result[~hole], image[~hole])
    deep = result[hole].astype(np.float64)
    assert 6 < deep.std() < 13
    assert abs(deep.mean() - 128) < 1
    assert np.array_equal(result[..., 0], result[..., 1])  # grey stays grey


def test_roughness_follows_the_place(rng: np.random.Generator) -> None:
    image = rough((256, 256), 2, rng)
    image[:, :128] = rough((256, 128), 20, rng)
    hole = hole_of((256, 256), (70, 60, 120, 140))
    result = textured(image, hole).astype(np.float64)[..., 0]
    assert result[90:170, 75:105].std() > 4 * result[90:170, 155:185].std()


@pytest.mark.parametrize("unit", [2, 5])
def test_reduced_holes_get_the_image_s_own_detail(unit: int, rng: np.random.Generator) -> None:
    side = 192 * unit
    image = rough((side, side + 3), 12, rng)
    hole = hole_of((side, side + 3), (60 * unit, 60 * unit, 70 * unit + 1, 70 * unit + 1))
    hole[80 * unit, 80 * unit] = False  # a pixel that the reduced image does not show
    result = textured(image, hole, unit=unit)
    assert np.array_equal(result[~hole], image[~hole])
    assert 6 < result[80 * unit : 110 * unit, 82 * unit : 110 * unit].std() < 13


@pytest.mark.parametrize(
    ("image", "hole"),
    [
        (np.full((256, 256, 3), 77, np.uint8), hole_of((256, 256), (80, 80, 96, 96))),
        (None, hole_of((256, 256), (80, 80, 2 * LEAST_RADIUS - 2, 150))),
        (None, ~hole_of((256, 256), (0, 0, 3, 256))),
        (None, ~hole_of((256, 256), (100, 100, 1, 1))),
        (None, hole_of((20, 20), (0, 0, 19, 20))),
    ],
    ids=["flat image", "narrow hole", "no known block", "one known pixel", "tiny image"],
)
def test_where_nothing_fits_the_repair_stays(
    image: Uint8 | None, hole: Bool, rng: np.random.Generator
) -> None:
    image = rough(hole.shape, 12, rng) if image is None else image
    repaired = image.copy()
    repaired[hole] = 77
    result = repaired.copy()
    transfer_texture(image, result, hole, hole, 1)
    assert np.array_equal(result, repaired)


def test_what_lies_under_any_hole_plays_no_part(rng: np.random.Generator) -> None:
    image = rough((256, 300), 12, rng)
    hole = hole_of((256, 300), (80, 60, 96, 96))
    missing = hole | hole_of((256, 300), (100, 200, 40, 60))
    other = image.copy()
    other[missing] = (255, 0, 0)
    assert np.array_equal(
        textured(image, hole, missing)[hole], textured(other, hole, missing)[hole]
    )


@pytest.mark.parametrize(
    ("options", "adds"),
    [
        (InpaintOptions(), True),
        (InpaintOptions(blend="feather 8"), True),
        (InpaintOptions(texture=False), False),
        (InpaintOptions(blend="none"), False),
    ],
    ids=str,
)
def test_repairs_have_texture_unless_it_is_switched_off(
    options: InpaintOptions, adds: bool, rng: np.random.Generator
) -> None:
    image, hole = rough((300, 300), 12, rng), hole_of((300, 300), (100, 100, 96, 96))
    result = Inpainter(RecordingSession(), options)(image, hole)
    smooth = np.abs(np.diff(result[120:170, 120:170].astype(np.float64), axis=0)).mean() < 1
    assert smooth != adds
    assert np.array_equal(result[~hole], image[~hole])
