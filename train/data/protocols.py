"""Protocols of sources of images and masks. S is a side in pixels.

A source is small, can be pickled, and keeps no state that changes what it returns: the generator
that is passed in decides everything. That makes samples independent of workers.
"""

from typing import Any, Protocol, runtime_checkable

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
        """Return what a person would recognise image ``index`` by."""


class MaskSource(Protocol):
    """A distribution of holes."""

    @property
    def kind(self) -> str:
        """Return "center", "box", "freeform", "folder" or "mixture"."""

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        """Return one (S, S) hole, S = ``size``, True = missing.

        Raises:
            BrokenImageError: the file that was drawn cannot be read; draw again.
        """


@runtime_checkable
class Described(Protocol):
    """A source that can tell what it is."""

    def summary(self) -> dict[str, Any]:
        """Return names and counts that JSON can hold; no absolute path."""


def describe(source: ImageSource | MaskSource) -> dict[str, Any]:
    """Return what a source is, for a checkpoint's training summary.

    Args:
        source: of images or masks.

    Returns:
        Names and counts that JSON can hold, without absolute paths: checkpoints travel.
    """
    if isinstance(source, Described):
        return source.summary()
    return {"kind": type(source).__name__}
