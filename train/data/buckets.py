"""Hole-ratio buckets: how much of the image is missing, in steps of 10 %.

As Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018),
group their test masks: more than the lower bound, at most the upper one.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from .protocols import Hole

BUCKETS: Final = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60")  # per cent


def bucket_of(hole: Hole) -> str | None:
    """Say which bucket a hole is in.

    Args:
        hole: (H, W), True = missing.

    Returns:
        One of ``BUCKETS``; None for an empty hole and for more than 60 %.
    """
    tenths = -(-10 * int(np.count_nonzero(hole)) // hole.size)  # rounded up: 10 % is in 0-10
    return BUCKETS[tenths - 1] if 1 <= tenths <= len(BUCKETS) else None


def bounds(bucket: str) -> tuple[float, float]:
    """Return the ratios between which a bucket lies.

    Args:
        bucket: one of ``BUCKETS``.

    Returns:
        (more than, at most), in 0 ... 1.
    """
    low, high = bucket.split("-")
    return int(low) / 100, int(high) / 100


def check_buckets(buckets: Sequence[str]) -> tuple[str, ...]:
    """Refuse names that are not buckets.

    Args:
        buckets: what a user asked for.

    Returns:
        The same, each once, ascending.

    Raises:
        ContractError: one is unknown, or there is none.
    """
    unknown = sorted({*buckets} - {*BUCKETS})
    if unknown or not buckets:
        raise ContractError(
            f"hole-ratio buckets must be among {', '.join(BUCKETS)} (per cent); "
            f"got {', '.join(unknown) or 'none'}"
        )
    return tuple(bucket for bucket in BUCKETS if bucket in buckets)
