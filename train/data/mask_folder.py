"""Irregular masks from a folder, mirrored, turned by any angle, cut and scaled in one step.

As G. Liu et al., ECCV 2018, publish them: 512 x 512 PNG files, white missing in the test masks,
black in the training masks. Letters: S side of the result in pixels.
"""

import logging
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError
from ...runtime.images.decode import INPUT_SUFFIXES
from ...runtime.images.mask import INVERTED_COVERAGE, load_grey
from .listing import NameList, check_folder, walk
from .protocols import BrokenImageError, Hole

logger = logging.getLogger(__name__)

_THRESHOLD: Final = 128  # half of the scale
_SHARES: Final = (0.6, 1.0)  # of the shorter side that is cut out
_PROBES: Final = 8  # files that are looked at when a folder is opened


class FolderMasks:
    """Masks below a folder, white missing; without augmentation, the middle square is scaled."""

    kind = "folder"

    def __init__(self, root: Path, *, invert: bool = False, augment: bool = True) -> None:
        check_folder(root, "masks")
        self.root = root
        self._invert = invert
        self._augment = augment
        self._names = NameList(walk(root))
        if not len(self._names):
            raise ContractError(
                f"a folder of masks must hold at least one; got none in {root}\n"
                f"Files of these kinds are taken, at any depth: {', '.join(sorted(INPUT_SUFFIXES))}"
            )
        self._probe()

    def __len__(self) -> int:
        return len(self._names)

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        index = int(rng.integers(len(self._names)))
        numbers = rng.random(6)  # before the file is read: as many, whatever it is
        mask = Image.fromarray(self._read(index).astype(np.uint8) * 255)
        middle = _matrix(mask.size, size, min(mask.size))
        matrix = _turned(mask.size, size, numbers) if self._augment else middle
        # What a turned square reaches beyond the mask is known.
        kind = Image.Resampling.BILINEAR
        drawn = mask.transform((size, size), Image.Transform.AFFINE, matrix, kind, fillcolor=0)
        return np.asarray(drawn) >= _THRESHOLD

    def summary(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.root.resolve().name,
            "masks": len(self),
            "inverted": self._invert,
        }

    def _read(self, index: int) -> Hole:
        path = self.root / self._names[index]
        try:
            grey = load_grey(path)
        except (ContractError, OSError) as error:
            raise BrokenImageError(str(error).splitlines()[0]) from error
        levels = int(grey.max())
        white: Hole = grey >= (1 if levels == 1 else _THRESHOLD)  # some save 0 and 1
        return ~white if self._invert else white

    def _probe(self) -> None:
        """Check a few masks: they must be readable, and should look like holes."""
        step = math.ceil(len(self) / _PROBES)
        coverages, problem = [], None
        for index in range(0, len(self), step):
            try:
                coverages.append(float(self._read(index).mean()))
            except BrokenImageError as error:
                problem = error
        if not coverages:
            raise ContractError(f"no mask could be read in {self.root}: {problem}")
        if not any(coverages):
            raise ContractError(
                f"masks must mark something; none of {len(coverages)} in {self.root} has a level "
                f"of {_THRESHOLD} or more\nWhite is missing."
            )
        if np.mean(coverages) > INVERTED_COVERAGE:
            logger.warning(
                "masks in %s mark %.0f %% as missing on average; if they are inverted, say so",
                *(self.root, 100 * np.mean(coverages)),
            )


def _turned(sides: tuple[int, int], size: int, numbers: np.ndarray) -> tuple[float, ...]:
    """Return the matrix from result to mask of a random square; ``numbers`` are in [0, 1)."""
    share = _SHARES[0] + (_SHARES[1] - _SHARES[0]) * numbers[0]
    at = (float(numbers[1]), float(numbers[2]))
    angle = 2 * math.pi * float(numbers[3])
    if numbers[4] < 0.5:  # half of them by quarter turns: edges that are straight stay straight
        angle = math.pi / 2 * round(angle / (math.pi / 2))
    return _matrix(sides, size, share * min(sides), angle, mirror=bool(numbers[5] < 0.5), at=at)


def _matrix(
    sides: tuple[int, int],
    size: int,
    side: float,
    angle: float = 0.0,
    *,
    mirror: bool = False,
    at: tuple[float, float] = (0.5, 0.5),
) -> tuple[float, ...]:
    """Return Pillow's six numbers: x = a u + b v + c, y = d u + e v + f, from result to mask."""
    width, height = sides
    scale = side / size
    cosine, sine = math.cos(angle) * scale, math.sin(angle) * scale
    a, b, d, e = cosine, -sine, sine, cosine
    if mirror:
        a, d = -a, -d
    x = side / 2 + at[0] * (width - side)  # middle of the square in the mask
    y = side / 2 + at[1] * (height - side)
    half = size / 2
    return (a, b, x - (a + b) * half, d, e, y - (d + e) * half)
