"""Several sources of images as one, by shares."""

import bisect
import itertools
import math
from typing import Any

import numpy as np

from .procedural import DeadLeaves
from .protocols import ImageSource, Pixels, describe


class Mixture:
    """Images of several sources, as often as their shares say; only the ratios of shares count.

    An epoch is as long as it takes until every image of every source has come; sources that are
    small for their share come several times, each time cut and augmented anew.
    """

    def __init__(self, sources: list[ImageSource], shares: list[float]) -> None:
        total = sum(shares)
        self._sources = sources
        self._shares = [share / total for share in shares]
        # Drawn images have no end, so that they do not decide.
        finite = [
            len(source) / share
            for source, share in zip(sources, self._shares, strict=True)
            if not isinstance(source, DeadLeaves)
        ]
        length = math.ceil(max(finite, default=len(sources[0])))
        counts = [max(1, round(share * length)) for share in self._shares]
        self._ends = list(itertools.accumulate(counts))

    def __len__(self) -> int:
        """Return how many images make an epoch."""
        return self._ends[-1]

    def name(self, index: int) -> str:
        """Return the name that the part gives."""
        source, local = self._find(index)
        return source.name(local)

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        """Load an image from the part it belongs to; see ``ImageSource``."""
        source, local = self._find(index)
        return source.load(local, size, rng)

    def summary(self) -> dict[str, Any]:
        """Return the parts with their shares."""
        parts = zip(self._sources, self._shares, strict=True)
        return {
            "kind": "mixture",
            "parts": [{"share": round(share, 4), **describe(source)} for source, share in parts],
        }

    def _find(self, index: int) -> tuple[ImageSource, int]:
        part = bisect.bisect_right(self._ends, index)
        local = index - (self._ends[part - 1] if part else 0)
        return self._sources[part], local % len(self._sources[part])
