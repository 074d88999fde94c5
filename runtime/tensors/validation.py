"""Validate tensors before a backend sees them."""

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError
from ..contract import IMAGE, MASK, SIZE_MULTIPLE
from .pixels import Float32, Uint8

RANGE_TOLERANCE = 1e-3  # beyond [-1, 1] and [0, 1]; rounding stays far below, pixels far above


def check_floats(image: Float32, mask: Float32) -> None:
    """Refuse tensors that ``Session.run`` does not take. NaN fails every range."""
    _check_array(IMAGE, image, np.float32, "(B, 3, H, W)", image.shape[1:2] == (3,))
    _check_array(MASK, mask, np.float32, "(B, 1, H, W)", mask.shape[1:2] == (1,))
    _check_sides(image.shape[0], image.shape[2:], mask.shape[0], mask.shape[2:])
    _check_range(IMAGE, image, -1)
    _check_range(MASK, mask, 0)


def check_pixels(image: Uint8, mask: Uint8) -> None:
    """Refuse tensors that ``Session.run_uint8`` does not take."""
    _check_array(IMAGE, image, np.uint8, "(B, H, W, 3)", image.shape[3:] == (3,))
    _check_array(MASK, mask, np.uint8, "(B, H, W, 1)", mask.shape[3:] == (1,))
    _check_sides(image.shape[0], image.shape[1:3], mask.shape[0], mask.shape[1:3])


def _check_array(
    name: str, array: npt.NDArray[np.generic], dtype: type, shape: str, channels_fit: bool
) -> None:
    if array.dtype != dtype or array.ndim != 4 or not channels_fit:
        raise ContractError(
            f"{name} must be {shape} {np.dtype(dtype)}; got {array.shape} {array.dtype}"
        )


def _check_sides(
    images: int, sides: tuple[int, ...], holes: int, hole_sides: tuple[int, ...]
) -> None:
    """Refuse an empty batch, tensors that disagree, and sides the networks cannot halve."""
    if (images, *sides) != (holes, *hole_sides):
        raise ContractError(
            f"{IMAGE} and {MASK} must agree in B, H, W; got {(images, *sides)} and "
            f"{(holes, *hole_sides)}"
        )
    if images == 0 or 0 in sides or any(side % SIZE_MULTIPLE for side in sides):
        raise ContractError(
            f"B must be positive, H and W multiples of {SIZE_MULTIPLE}; got B={images}, "
            f"H={sides[0]}, W={sides[1]}\nUse Inpainter for images of other sizes."
        )


def _check_range(name: str, numbers: Float32, low: int) -> None:
    """Refuse numbers outside of [low, 1]; one pass each for minimum and maximum."""
    least, most = float(numbers.min()), float(numbers.max())
    if not (low - RANGE_TOLERANCE <= least and most <= 1 + RANGE_TOLERANCE):
        raise ContractError(
            f"{name} must be finite and in [{low}, 1]; got values from {least:g} to {most:g}"
        )
