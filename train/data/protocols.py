"""Protocols of image and mask sources. S is a side in pixels.

A source is small, can be pickled, and keeps no state that changes its results: they depend only on
the generator that is passed in. That makes samples independent of workers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError

Pixels = npt.NDArray[np.uint8]
Hole = npt.NDArray[np.bool_]


class BrokenImageError(ContractError):
    """One file of a source cannot be read. Its message names the file and the reason."""


class ImageSource(Protocol):
    """A set of images."""

    def __len__(self) -> int:
        """Return how many images make an epoch; at least one."""

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        """Return image ``index`` as (S, S, 3) RGB, S = ``size``.

        Raises:
            BrokenImageError: the file cannot be read.
        """

    def name(self, index: int) -> str:
        """Return the name of image ``index`` for messages and tables."""

    def summary(self) -> dict[str, Any]:
        """Return a description for checkpoints: JSON values without absolute paths."""


class MaskSource(Protocol):
    """A distribution of holes."""

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Return one (S, S) hole, S = ``size``, True = missing.

        Raises:
            BrokenImageError: the file that was drawn cannot be read; draw again.
        """

    def summary(self) -> dict[str, Any]:
        """Return a description, as for images."""


def mixture_summary(
    sources: Sequence[ImageSource | MaskSource], shares: Sequence[float]
) -> dict[str, Any]:
    """Return the summary of a mixture: those of its parts, with their shares."""
    parts = zip(sources, shares, strict=True)
    return {
        "kind": "mixture",
        "parts": [{"share": round(share, 4), **source.summary()} for source, share in parts],
    }
