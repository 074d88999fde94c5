"""Both forms of a call on a model of either form, so that every backend converts alike."""

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError, EngineError
from ..contract import IOFormat
from .pixels import Bool, Float32, Uint8, float_from_uint8, uint8_from_float

Array = npt.NDArray[Any]
T = TypeVar("T", bound=Array)


@dataclasses.dataclass(frozen=True)
class ModelInputs(Generic[T]):
    """A call in the form of the model; ``finish`` converts its answer to the caller's form."""

    image: Array  # as the model takes it
    mask: Array  # as the model takes it
    finish: Callable[[Array], T]  # turns the model's answer into what the caller wants

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
    """Refuse to look for NaN among the bytes that a uint8 model returns."""
    if check_finite and io == "uint8":
        raise ContractError(
            "check_finite needs a model with float32 output; this model returns uint8, where NaN "
            "is no longer visible\nExport it with --io float."
        )


def require_finite(answer: Array, source: object) -> None:
    """Raise EngineError for an answer with NaN or infinity; ``source`` is for the message."""
    if bad := int(answer.size - np.count_nonzero(np.isfinite(answer))):
        raise EngineError(
            f"{source} must answer with finite numbers; {bad} of {answer.size} are not\n"
            "A half-precision model may overflow: check it with `csakit verify`, or export with "
            "--precision fp32."
        )
