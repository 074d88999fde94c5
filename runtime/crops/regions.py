"""Regions, boxes and distances of missing pixels, in NumPy alone and fast for many megapixels.

Letters: R regions, S segments: stretches of hole pixels within a row. Corners connect pixels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..tensors.pixels import Bool, Float32

Index = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two exclusive


def connected_regions(hole: Bool) -> tuple[Labels, Index]:
    """Return labels (H, W), -1 where known, else 0 to R - 1 in raster order; and boxes (R, 4)."""
    height, width = hole.shape
    stride = width + 1  # a known column after each row keeps segments within their rows
    starts, stops = _segments(hole, stride)
    roots, region = np.unique(_roots(starts, stops, stride), return_inverse=True)
    region = region.reshape(-1)  # NumPy 2.0 alone gives it another shape
    labels = np.zeros(height * stride + 1, dtype=np.int32)
    labels[starts] = region + 1
    labels[stops] -= (region + 1).astype(np.int32)
    labels = np.cumsum(labels[:-1], dtype=np.int32).reshape(height, stride)[:, :width] - 1
    return labels, _boxes(starts, stops, region, stride, roots.size)


def bounding_box(mask: Bool, around: int = 0) -> Box | None:
    """Return the box of all missing pixels and ``around`` more on each side; None without any."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    height, width = mask.shape
    return (
        *(max(0, top - around), max(0, left - around)),
        *(min(height, bottom + around), min(width, right + around)),
    )


def window_of(box: Sequence[int]) -> tuple[slice, slice]:
    """Return the slices of a box."""
    return slice(box[0], box[2]), slice(box[1], box[3])


def largest_square(region: Bool) -> int:
    """Return the side of the largest square of hole pixels in a region (H, W)."""
    corners, side = region, 1  # where full squares of this side begin
    while (larger := _grown(corners, side)).any():
        corners, side = larger, 2 * side
    step = side
    while step := step // 2:
        if (larger := _grown(corners, step)).any():
            corners, side = larger, side + step
    return side


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


def _grown(corners: Bool, step: int) -> Bool:
    """Keep the corners of squares that stay full when their sides grow by a step."""
    rows = corners[:-step] & corners[step:]
    both: Bool = rows[:, :-step] & rows[:, step:]
    return both


def _segments(hole: Bool, stride: int) -> tuple[Index, Index]:
    """Return (S,) starts and stops, as positions in rows of ``stride`` pixels."""
    padded = np.zeros((hole.shape[0], stride), dtype=np.int8)
    padded[:, :-1] = hole
    steps = np.diff(padded.reshape(-1), prepend=np.int8(0))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def _roots(starts: Index, stops: Index, stride: int) -> Index:
    """Return for each segment the first segment of its region, (S,)."""
    upper, lower = _touching(starts, stops, stride)
    roots = np.arange(starts.size)
    while True:  # hook each root onto the smallest root that it touches, then shorten the chains
        a, b = roots[upper], roots[lower]
        if np.array_equal(a, b):
            return roots
        np.minimum.at(roots, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(roots, shorter := roots[roots]):
            roots = shorter


def _touching(starts: Index, stops: Index, stride: int) -> tuple[Index, Index]:
    """Return the pairs of segments that touch, in one row and in the row below it."""
    first = np.searchsorted(stops, starts - stride, side="left")
    counts = np.searchsorted(starts, stops - stride, side="right") - first
    lower = np.repeat(np.arange(starts.size), counts)
    within = np.arange(lower.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within, lower


def _boxes(starts: Index, stops: Index, region: Index, stride: int, regions: int) -> Index:
    rows = starts // stride
    boxes = np.empty((regions, 4), dtype=np.int64)
    boxes[:, :2] = np.iinfo(np.int64).max
    boxes[:, 2:] = 0
    np.minimum.at(boxes[:, 0], region, rows)
    np.minimum.at(boxes[:, 1], region, starts - rows * stride)
    np.maximum.at(boxes[:, 2], region, rows + 1)
    np.maximum.at(boxes[:, 3], region, stops - rows * stride)
    return boxes


def _since(targets: Bool, limit: int) -> Float32:
    """Count the rows since the last target above each pixel, at most ``limit``."""
    rows = np.arange(targets.shape[0], dtype=np.int32)[:, None]
    last = np.maximum.accumulate(np.where(targets, rows, -limit - 1), axis=0)
    return np.minimum(rows - last, limit).astype(np.float32)
