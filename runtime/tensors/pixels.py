"""Convert 8-bit pixels to network values and back, exactly in both directions."""

from typing import Final

import numpy as np
import numpy.typing as npt

from ...plugins.errors import EngineError

Uint8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]

HALF_RANGE: Final = 127.5  # 0 ... 255 becomes -1 ... 1


def float_from_uint8(image: Uint8) -> Float32:
    """Convert (B, H, W, 3) pixels to (B, 3, H, W) numbers in [-1, 1]: ``x / 127.5 - 1``."""
    numbers = np.ascontiguousarray(image.transpose(0, 3, 1, 2), dtype=np.float32)
    numbers /= np.float32(HALF_RANGE)
    numbers -= np.float32(1)
    return numbers


def uint8_from_float(numbers: Float32) -> Uint8:
    """Convert (B, 3, H, W) numbers to the nearest (B, H, W, 3) pixels; refuse NaN and infinity."""
    pixels = numbers.transpose(0, 2, 3, 1) * np.float32(HALF_RANGE)
    if not np.isfinite(pixels).all():
        raise EngineError(
            "the model must answer with finite numbers; got NaN or infinity\n"
            "A half-precision export may overflow: check it with `csakit verify`, or export "
            "with --precision fp32."
        )
    pixels += np.float32(HALF_RANGE)
    np.rint(pixels, out=pixels)
    np.clip(pixels, 0, 255, out=pixels)
    return np.ascontiguousarray(pixels, dtype=np.uint8)
