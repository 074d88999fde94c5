"""Hide the colour step at the edge of a hole, without touching a known pixel.

Letters: H W sides in pixels.

The network also predicts a ring of pixels that are known. On the ring its error, truth minus
prediction, is seen; it is continued smoothly into the hole (push and pull over a pyramid, as
in Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4) and added there, fading out
with the distance from the edge.
"""

from typing import Final

import numpy as np

from ..tensors.pixels import Bool, Float32, Uint8
from .distance import dilate, distance_to

_QUARTER: Final = np.float32(0.25)
RING_PX: Final = 4  # enough to average over texture, within the 8 pixels of one feature position


def with_ring(hole: Bool) -> Bool:
    """Enlarge a hole by the ring on which the network's error is seen.

    Args:
        hole: (H, W), not all True.

    Returns:
        (H, W); the hole itself where the ring would leave nothing known.
    """
    wide = dilate(hole, RING_PX)
    return hole if wide.all() else wide


def blend(truth: Uint8, prediction: Uint8, *, hole: Bool, wide: Bool, feather: int) -> Uint8:
    """Correct a prediction near the edge of a hole.

    Args:
        truth: (H, W, 3), valid outside of the hole.
        prediction: (H, W, 3), of the network that was given ``wide``.
        hole: (H, W).
        wide: (H, W), the hole with its ring.
        feather: pixels over which the correction fades out.

    Returns:
        (H, W, 3), the corrected prediction; only hole pixels are meant for use.
    """
    ring = wide & ~hole
    if not ring.any():
        return prediction
    error = np.where(ring[..., None], truth.astype(np.float32) - prediction, np.float32(0))
    continued = _fill(error, ring.astype(np.float32)[..., None])
    depth = distance_to(~hole, feather + 1) - 1  # 0 at the outermost pixels of the hole
    share = np.clip(1 - depth / feather, 0, 1)
    smooth = share * share * (3 - 2 * share)  # no visible line where the fading ends
    corrected = prediction + continued * smooth[..., None]
    return np.clip(np.rint(corrected), 0, 255).astype(np.uint8)


def _fill(values: Float32, weights: Float32) -> Float32:
    """Continue values, (H, W, C), to where their weights, (H, W, 1) in [0, 1], are 0."""
    height, width = weights.shape[:2]
    if height == width == 1 or weights.all():
        return values
    padding = ((0, height % 2), (0, width % 2), (0, 0))
    blocks = _block_sums(np.pad(weights, padding))
    sums = _block_sums(np.pad(values * weights, padding))
    means = sums / np.maximum(blocks, np.float32(1e-6))
    coarse = _double(_fill(means, np.minimum(blocks, np.float32(1))))[:height, :width]
    filled: Float32 = weights * values + (1 - weights) * coarse
    return filled


def _block_sums(array: Float32) -> Float32:
    """Add blocks of 2 x 2, (H, W, C) to (H/2, W/2, C)."""
    rows = array[::2] + array[1::2]
    sums: Float32 = rows[:, ::2] + rows[:, 1::2]
    return sums


def _double(array: Float32) -> Float32:
    """Interpolate linearly to twice the sides."""
    for axis in (0, 1):
        array = np.moveaxis(array, axis, 0)
        before = np.concatenate([array[:1], array[:-1]])
        after = np.concatenate([array[1:], array[-1:]])
        near = np.float32(0.75) * array
        pairs = np.stack([near + _QUARTER * before, near + _QUARTER * after], axis=1)
        array = np.moveaxis(pairs.reshape(-1, *array.shape[1:]), 0, axis)
    return array
