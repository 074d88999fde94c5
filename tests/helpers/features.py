"""Inputs that look like a network's own; those of the benchmarks, and images and masks."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from csakit.benchmarks.inputs import Floats as Floats
from csakit.benchmarks.inputs import feature_like as feature_like
from csakit.benchmarks.inputs import smooth
from csakit.plugins.reference import plans, unit
from csakit.plugins.spec import Similarity

# The best match leads the second by this share of its score at least. Sums of some hundred products
# in float32, on whatever unit and in any order, differ by less than 2e-6.
LEAD: Final = 1e-5


def image_like(rng: np.random.Generator, batch: int, height: int, width: int) -> Floats:
    """Draw (B, 3, H, W) smooth images in (-1, 1)."""
    return np.tanh(smooth(rng, (batch, 3, height, width), grain=32)).astype(np.float32)


def random_hole(
    rng: np.random.Generator, batch: int, height: int, width: int, *, share: float = 0.4
) -> Floats:
    """Draw (B, 1, H, W) masks of 0 and 1, each image its own; scattered, borders too."""
    return (rng.random((batch, 1, height, width)) < share).astype(np.float32)


def without_near_ties(features: npt.NDArray[np.floating], hole: Floats) -> Floats:
    """Remove from the masks the holes that have two matches as good as each other.

    There two correct forms may part, and with them all that is filled from such a hole. Positions
    that are known now may be matches, and are no near ties either.
    """
    batch, channels = features.shape[:2]
    rows = features.reshape(batch, channels, -1).astype(np.float64)
    cleared = hole.reshape(batch, -1).copy()
    for x, mask in zip(rows, cleared, strict=True):
        while (holes := np.flatnonzero(mask)).size and (mask == 0).sum() > 1:
            scores = x[:, holes].T @ unit(x[:, mask == 0].T).T
            second, first = np.sort(scores, axis=1)[:, -2:].T
            close = first - second < LEAD * np.abs(first)
            if not close.any():
                break
            mask[holes[close]] = 0.0
    return cleared.reshape(hole.shape)


def oracle_matches(
    features: npt.ArrayLike, hole: Floats, similarity: Similarity
) -> npt.NDArray[np.int64]:
    """Return the position each one is copied from, (B, N); a known position names itself."""
    matches = np.tile(np.arange(hole[0].size), (len(hole), 1))
    for row, plan in zip(matches, plans(features, hole, similarity), strict=True):
        row[plan.holes] = plan.matches
    return matches


def row_of(*vectors: tuple[float, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Lay vectors out as one image of one row, (1, C, 1, W)."""
    return np.array(vectors, dtype=dtype).T[None, :, None, :].copy()


def holes_at(*positions: int, width: int) -> Floats:
    """Mark positions of one image of one row, (1, 1, 1, W)."""
    hole = np.zeros((1, 1, 1, width), dtype=np.float32)
    hole[..., list(positions)] = 1.0
    return hole
