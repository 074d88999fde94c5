"""Pixels survive the way to the network and back."""

import numpy as np
import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.tensors.pixels import float_from_uint8, uint8_from_float


def test_all_pixel_values_return_unchanged() -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)

    numbers = float_from_uint8(pixels)

    assert numbers.shape == (1, 3, 16, 16)
    assert numbers.dtype == np.float32
    assert (numbers.min(), numbers.max()) == (-1, 1)
    np.testing.assert_array_equal(uint8_from_float(numbers), pixels)


def test_numbers_are_rounded_to_the_nearest_pixel_and_clipped() -> None:
    numbers = np.array([-7, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 1.2], dtype=np.float32)

    pixels = uint8_from_float(np.tile(numbers.reshape(1, 1, 2, 2), (1, 3, 1, 1)))

    assert pixels[0, :, :, 0].ravel().tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_an_error(value: float) -> None:
    with pytest.raises(EngineError, match="must answer with finite numbers"):
        uint8_from_float(np.full((1, 3, 2, 2), value, dtype=np.float32))
