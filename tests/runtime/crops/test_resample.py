"""Parts are scaled without colours from under the hole, and padded by reflection."""

import numpy as np
import pytest
from csakit.runtime.crops.resample import enlarge, pad, shrink


def test_a_shrunk_pixel_is_the_mean_of_the_known_pixels_under_it() -> None:
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[:2, :2] = [[[10, 20, 30]] * 2, [[30, 40, 50]] * 2]
    image[2:, 2:] = 255
    hole = np.zeros((4, 4), dtype=bool)
    hole[2:, 2:] = True

    small, missing = shrink(image, hole, (2, 2))

    assert small[0, 0].tolist() == [20, 30, 40]
    assert missing.tolist() == [[False, False], [False, True]]
    assert small[1, 0].tolist() == [0, 0, 0]


def test_where_no_pixel_is_wholly_known_partly_known_ones_serve() -> None:
    image = np.full((4, 8, 3), 90, dtype=np.uint8)
    hole = np.zeros((4, 8), dtype=bool)
    hole[::2, ::2] = True
    hole[:, 6:] = True
    image[hole] = 255

    small, missing = shrink(image, hole, (2, 4))

    assert missing.tolist() == [[False, False, False, True]] * 2
    assert (small[~missing] == 90).all()


def test_an_even_image_stays_even_when_enlarged() -> None:
    image = np.full((5, 7, 3), (1, 128, 255), dtype=np.uint8)

    assert (enlarge(image, (11, 20)) == (1, 128, 255)).all()


@pytest.mark.parametrize("old", [(1, 1), (1, 5), (2, 3), (100, 7)])
def test_padding_reflects_as_often_as_needed(old: tuple[int, int]) -> None:
    array = np.arange(old[0] * old[1], dtype=np.uint8).reshape(old)
    added = [(0, 256 - old[0]), (0, 256 - old[1])]

    np.testing.assert_array_equal(pad(array, (256, 256)), np.pad(array, added, mode="reflect"))
