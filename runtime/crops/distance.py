"""Distances of pixels to a set of pixels, and the growth of sets."""

import numpy as np

from ..tensors.pixels import Bool, Float32


def distance_to(targets: Bool, limit: int) -> Float32:
    """Return the Euclidean distance (H, W) to the nearest target, exact up to ``limit`` pixels."""
    columns = np.minimum(_since(targets, limit), _since(targets[::-1], limit)[::-1])
    squares = columns * columns
    nearest = squares.copy()
    for offset in range(1, min(limit, targets.shape[1] - 1) + 1):
        shifted = squares + np.float32(offset * offset)
        np.minimum(nearest[:, offset:], shifted[:, :-offset], out=nearest[:, offset:])
        np.minimum(nearest[:, :-offset], shifted[:, offset:], out=nearest[:, :-offset])
    distance: Float32 = np.minimum(np.sqrt(nearest), np.float32(limit))
    return distance


def dilate(mask: Bool, radius: int) -> Bool:
    """Grow a set (H, W) by all pixels within a radius."""
    return distance_to(mask, radius + 1) <= radius if radius else mask


def _since(targets: Bool, limit: int) -> Float32:
    """Count the rows since the last target above each pixel, at most ``limit``."""
    rows = np.arange(targets.shape[0], dtype=np.int32)[:, None]
    last = np.maximum.accumulate(np.where(targets, rows, -limit - 1), axis=0)
    return np.minimum(rows - last, limit).astype(np.float32)
