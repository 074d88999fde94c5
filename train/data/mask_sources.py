"""Holes that are computed, and the choice of holes by their size.

Letters: S side in pixels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ...plugins.errors import ContractError
from ..masks import blob_hole, freeform_hole, thin_hole
from .protocols import Hole, MaskSource, describe, describe_mixture

BUCKETS: Final = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60")  # per cent


def bucket_of(hole: Hole) -> str | None:
    """Return which of ``BUCKETS`` an (H, W) hole is in; None if empty or above 60 %."""
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


@dataclasses.dataclass(frozen=True)
class ComputedHoles:
    """Holes that a function of height, width and generator draws; ``facts`` describe them."""

    kind: str
    function: Callable[[int, int, np.random.Generator], Hole]
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        return self.function(size, size, rng)

    def summary(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.facts}


def drawn_holes(kind: str, ratio: tuple[float, float]) -> ComputedHoles:
    """Return strokes ("freeform"), "thin" damage or ellipses ("blob") up to a drawn share."""
    if not 0 < ratio[0] <= ratio[1] < 1:
        raise ContractError(f"ratios must be 0 < low <= high < 1; got {ratio[0]}, {ratio[1]}")
    return ComputedHoles(kind, partial(DRAWN[kind], ratio=ratio), {"ratio": list(ratio)})


def freeform_buckets(buckets: Sequence[str]) -> ComputedHoles:
    """Return strokes of some buckets, each drawn as often; they may end in the next bucket."""
    return ComputedHoles("freeform", partial(_bucketed, [*map(bounds, buckets)]))


def _bucketed(
    ranges: Sequence[tuple[float, float]], height: int, width: int, rng: np.random.Generator
) -> Hole:
    low, high = ranges[int(rng.integers(len(ranges)))]
    return freeform_hole(height, width, rng, ratio=(max(low, 0.01), high))


class MixedHoles:
    """Holes of several sources, as often as their shares say; only the ratios of shares count."""

    kind = "mixture"

    def __init__(self, sources: Sequence[MaskSource], shares: Sequence[float]) -> None:
        self._sources = tuple(sources)
        self._shares = tuple(share / sum(shares) for share in shares)

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        part = int(rng.choice(len(self._sources), p=self._shares))
        return self._sources[part].draw(size, rng)

    def summary(self) -> dict[str, Any]:
        return describe_mixture(self._sources, self._shares)


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
        chosen = {} if self._buckets is None else {"buckets": list(self._buckets)}
        return {**describe(self._source), **chosen}
