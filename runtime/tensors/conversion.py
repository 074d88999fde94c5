"""Check and convert the tensors of a call, alike for all backends."""

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError, EngineError
from ..contract import IMAGE, MASK, SIZE_MULTIPLE, IOFormat
from .pixels import Bool, Float32, Uint8, float_from_uint8, uint8_from_float

Array = npt.NDArray[Any]
T = TypeVar("T", bound=Array)

RANGE_TOLERANCE = 1e-3  # beyond [-1, 1] and [0, 1]; rounding errors are far below, pixels above


@dataclasses.dataclass(frozen=True)
class ModelInputs(Generic[T]):
    """The inputs of a call in the model's form, and the conversion of its output."""

    image: Array  # in the model's form
    mask: Array  # in the model's form
    finish: Callable[[Array], T]  # converts the model's output to the caller's form

    @staticmethod
    def from_floats(io: IOFormat, image: Float32, mask: Float32) -> "ModelInputs[Float32]":
        """Convert (B, 3, H, W) in [-1, 1] and (B, 1, H, W) in [0, 1]; see ``Session.run``."""
        if io == "float":
            return ModelInputs(image, mask, lambda answer: answer)
        missing: Bool = mask > 0.5
        holes = np.ascontiguousarray(missing.transpose(0, 2, 3, 1), dtype=np.uint8)

        def finish(pixels: Array) -> Float32:
            return np.where(missing, float_from_uint8(pixels), image)

        return ModelInputs(uint8_from_float(image), holes, finish)

    @staticmethod
    def from_pixels(io: IOFormat, image: Uint8, mask: Uint8) -> "ModelInputs[Uint8]":
        """Convert (B, H, W, 3) and (B, H, W, 1) bytes; see ``Session.run_uint8``."""
        if io == "uint8":
            return ModelInputs(image, mask, lambda answer: answer)
        missing = np.ascontiguousarray((mask != 0).transpose(0, 3, 1, 2), dtype=np.float32)
        return ModelInputs(float_from_uint8(image), missing, uint8_from_float)


def require_checkable(io: IOFormat, *, check_finite: bool) -> None:
    """Refuse to check a uint8 model for NaN, which its bytes cannot show."""
    if check_finite and io == "uint8":
        raise ContractError(
            "check_finite needs a model with float32 output; this model returns uint8, where NaN "
            "is no longer visible\nExport it with --io float."
        )


def require_finite(answer: Array, source: object) -> None:
    """Raise EngineError for an output with NaN or infinity; ``source`` is for the message."""
    if bad := int(answer.size - np.count_nonzero(np.isfinite(answer))):
        raise EngineError(
            f"{source} must answer with finite numbers; {bad} of {answer.size} are not\n"
            "A half-precision model may overflow: check it with `csakit verify`, or export with "
            "--precision fp32."
        )


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
