"""Inputs that look like a network's own: smooth, and features that point the same way.

Letters: B images, C channels, H W sides of the feature map. The recurrence is ill-conditioned on
zero-mean noise, where float32 and float64 differ by 1e-2 and more. On features like these, as
in trained networks, they agree to rounding.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LEAK: Final = 0.2  # slope below zero of the encoders' LeakyReLU
GRAIN: Final = 4  # positions between independent values
NOISE: Final = 0.1  # makes neighbours distinct, so that the best match is a clear one


def feature_like(
    rng: np.random.Generator, batch: int, channels: int, height: int, width: int
) -> Floats:
    """Draw features: smooth, mostly positive, as a LeakyReLU leaves them.

    Args:
        rng: to draw from.
        batch: B.
        channels: C.
        height: H.
        width: W.

    Returns:
        (B, C, H, W).
    """
    h = 1.5 + smooth(rng, (batch, channels, height, width))
    return np.where(h > 0, h, LEAK * h).astype(np.float32)


def smooth(
    rng: np.random.Generator, shape: tuple[int, int, int, int], grain: int = GRAIN
) -> npt.NDArray[np.float64]:
    """Draw independent values every ``grain`` positions, interpolate, add a little noise.

    Args:
        rng: to draw from.
        shape: B, C, H, W.
        grain: positions between independent values.

    Returns:
        (B, C, H, W), of mean 0.
    """
    batch, channels, height, width = shape
    coarse = rng.standard_normal((batch, channels, height // grain + 2, width // grain + 2))
    of_rows = _interpolation(height, coarse.shape[2], grain)
    of_columns = _interpolation(width, coarse.shape[3], grain)
    interpolated: npt.NDArray[np.float64] = of_rows @ coarse @ of_columns.T
    return interpolated + NOISE * rng.standard_normal(shape)


def _interpolation(fine: int, coarse: int, grain: int) -> npt.NDArray[np.float64]:
    """Give the (fine, coarse) matrix of linear interpolation."""
    distance = np.abs(np.arange(fine)[:, None] / grain - np.arange(coarse)[None])
    return np.maximum(1.0 - distance, 0.0)
