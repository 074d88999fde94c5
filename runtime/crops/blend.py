"""Blend a prediction with the known pixels at the edge of a hole, which do not change.

The network also predicts a rim of known pixels. Its error there, truth minus prediction, is
continued harmonically into the hole and added: colour and brightness meet at the edge, and a
prediction without detail becomes interpolation (Perez, Gangnet, Blake, "Poisson image editing",
SIGGRAPH 2003, solved for the correction).

Letters: u image pixels for one network pixel, that is, one pixel of the scaled crop.
"""

from typing import Final

import numpy as np

from ..tensors.pixels import Bool, Float32, Uint8
from .harmonic import HarmonicContinuation
from .regions import distance_to
from .resample import whole_squares

RIM_PX: Final = 2  # 1 loses 0.2 dB on scratches and text, 4 loses 0.4 on spots and strokes
# In network pixels. Detail lost by scaling down has wavelengths below 2 of them, and decays by a
# factor e within a sixth of its wavelength or less.
_BAND: Final = 4


def with_rim(hole: Bool, rim: int = RIM_PX) -> Bool:
    """Enlarge a hole (H, W) by a rim of pixels, unless that would leave nothing known."""
    wide = hole
    for _ in range(rim):  # by the four neighbours, in arrays no larger than a mask
        near = wide.copy()
        near[1:] |= wide[:-1]
        near[:-1] |= wide[1:]
        near[:, 1:] |= wide[:, :-1]
        near[:, :-1] |= wide[:, 1:]
        wide = near
    return hole if wide.all() else wide


def correct(
    image: Uint8,
    result: Uint8,
    hole: Bool,
    share: Float32 | None = None,
    *,
    band: Bool | None = None,
) -> None:
    """Continue the error of (H, W, 3) on the rim into the hole, in place, times a share (H, W).

    With a band (H, W) of the hole the correction ends where the band does.
    """
    corrected = hole if band is None else band
    continuation = HarmonicContinuation(corrected)
    rim = continuation.rim
    error = image.reshape(-1, 3)[rim].astype(np.float32) - result.reshape(-1, 3)[rim]
    error[hole.reshape(-1)[rim]] = 0  # inner side of a band, where the truth is missing
    correction = continuation.solve(error)
    if share is not None:
        correction *= share[corrected][:, None]
    correction += result[corrected]
    np.rint(correction, out=correction)
    result[corrected] = np.clip(correction, 0, 255, out=correction)


def edge_band(hole: Bool, unit: int) -> Bool:
    """Return the pixels of a hole (H, W) within about 4u of its edge."""
    deep = distance_to(~whole_squares(hole, unit), _BAND + 1) > _BAND
    height, width = (side * unit for side in deep.shape)
    band: Bool = hole.copy()
    band[:height, :width] &= ~deep.repeat(unit, axis=0).repeat(unit, axis=1)
    return band


def fading(hole: Bool, length: int) -> Float32:
    """Return weights (H, W) that fade from 1 at the edge of a hole to 0 at ``length`` pixels."""
    depth = distance_to(~hole, length + 1) - 1
    share: Float32 = np.clip(1 - depth / np.float32(length), 0, 1)
    smooth: Float32 = share * share * (3 - 2 * share)  # no visible line where it ends
    return smooth
