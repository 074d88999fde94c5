"""Holes that are computed, and the choice of holes by their size.

Letters: S side in pixels.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...plugins.errors import ContractError
from ..masks import blob_hole, box_hole, centre_hole, freeform_hole, thin_hole
from .protocols import Hole, MaskSource, describe

BUCKETS: Final = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60")  # per cent


def bucket_of(hole: Hole) -> str | None:
    """Return the bucket that a hole is in.

    Args:
        hole: (H, W), True = missing.

    Returns:
        One of ``BUCKETS``; None for an empty hole and for more than 60 %.
    """
    tenths = -(-10 * int(np.count_nonzero(hole)) // hole.size)  # rounded up: 10 % is in 0-10
    return BUCKETS[tenths - 1] if 1 <= tenths <= len(BUCKETS) else None


def bounds(bucket: str) -> tuple[float, float]:
    """Return the shares between which a bucket lies: (more than, at most), in 0 ... 1."""
    low, high = bucket.split("-")
    return int(low) / 100, int(high) / 100


def check_buckets(buckets: Sequence[str]) -> tuple[str, ...]:
    """Return each named bucket once, ascending; ContractError if one is unknown, or none given."""
    unknown = sorted({*buckets} - {*BUCKETS})
    if unknown or not buckets:
        raise ContractError(
            f"hole-ratio buckets must be among {', '.join(BUCKETS)} (per cent); "
            f"got {', '.join(unknown) or 'none'}"
        )
    return tuple(bucket for bucket in BUCKETS if bucket in buckets)


# A bucket that holds one mask in a hundred is then missed once in 40 thousand million images.
_TRIES: Final = 2400

DRAWN: Final = {"freeform": freeform_hole, "thin": thin_hole, "blob": blob_hole}


class CentreHoles:
    """The paper's centre hole, always the same."""

    kind = "center"

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Return the (S, S) centre hole; the generator is not used."""
        return centre_hole(size, size)

    def summary(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": self.kind}


class BoxHoles:
    """One rectangle of any place and size."""

    kind = "box"

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Draw an (S, S) hole of 15 to 55 % of each side."""
        return box_hole(size, size, rng)

    def summary(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": self.kind}


class MixedHoles:
    """Holes of several sources, as often as their shares say; only the ratios of shares count."""

    kind = "mixture"

    def __init__(self, sources: Sequence[MaskSource], shares: Sequence[float]) -> None:
        self._sources = tuple(sources)
        self._shares = tuple(share / sum(shares) for share in shares)

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Draw an (S, S) hole of one part."""
        part = int(rng.choice(len(self._sources), p=self._shares))
        return self._sources[part].draw(size, rng)

    def summary(self) -> dict[str, Any]:
        """Return the parts with their shares."""
        parts = zip(self._sources, self._shares, strict=True)
        return {
            "kind": self.kind,
            "parts": [{"share": round(share, 4), **describe(source)} for source, share in parts],
        }


class DrawnHoles:
    """Strokes ("freeform"), "thin" damage or ellipses ("blob") that reach a share of the image."""

    def __init__(self, kind: str, ratio: tuple[float, float]) -> None:
        if not 0 < ratio[0] <= ratio[1] < 1:
            raise ContractError(f"ratios must be 0 < low <= high < 1; got {ratio[0]}, {ratio[1]}")
        self.kind = kind
        self._ratio = ratio

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Draw an (S, S) hole."""
        return DRAWN[self.kind](size, size, rng, ratio=self._ratio)

    def summary(self) -> dict[str, Any]:
        """Return kind and range."""
        return {"kind": self.kind, "ratio": list(self._ratio)}


class FreeformBuckets:
    """Strokes that cover what a bucket says; each bucket is drawn as often."""

    kind = "freeform"

    def __init__(self, buckets: Sequence[str]) -> None:
        self._ranges = [bounds(bucket) for bucket in buckets]

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Draw (S, S) strokes; the last one may end in the next bucket."""
        low, high = self._ranges[int(rng.integers(len(self._ranges)))]
        return freeform_hole(size, size, rng, ratio=(max(low, 0.01), high))

    def summary(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": self.kind}


class FilteredHoles:
    """Holes of another source, drawn until one is neither empty nor full, and in given buckets.

    That judges the hole as it is used, and needs no list of the ratios of all masks.
    """

    def __init__(self, source: MaskSource, buckets: Sequence[str] | None) -> None:
        self._source = source
        self._buckets = None if buckets is None else tuple(buckets)

    @property
    def kind(self) -> str:
        """Return the kind of the source."""
        return self._source.kind

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Draw an (S, S) hole that fits; ContractError if none of many does."""
        for _ in range(_TRIES):
            hole = self._source.draw(size, rng)
            if not 0 < np.count_nonzero(hole) < hole.size:
                continue
            if self._buckets is None or bucket_of(hole) in self._buckets:
                return hole
        wanted = "neither empty nor full"
        if self._buckets is not None:
            wanted = f"of {', '.join(self._buckets)} % of the image"
        raise ContractError(
            f"a mask must leave a hole {wanted}; none of {_TRIES} drawn at {size} x {size} does "
            f"({describe(self._source)})\nIf black is missing in these masks, invert them."
        )

    def summary(self) -> dict[str, Any]:
        """Return what the source is, and the buckets."""
        chosen = {} if self._buckets is None else {"buckets": list(self._buckets)}
        return {**describe(self._source), **chosen}
