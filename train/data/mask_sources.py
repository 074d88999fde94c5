"""Sources of holes: computed holes, folders of mask files, mixtures, and filters by size.

Folders as G. Liu et al., ECCV 2018, publish them: 512 x 512 PNG files, white missing in the test
masks, black in the training masks. Letters: S side in pixels.
"""

import dataclasses
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError
from ...runtime.images.decode import INPUT_SUFFIXES
from ...runtime.images.mask import INVERTED_COVERAGE, load_grey
from ..masks import blob_hole, freeform_hole, thin_hole
from .listing import NameList, check_folder, walk
from .protocols import BrokenImageError, Hole, MaskSource, mixture_summary

logger = logging.getLogger(__name__)

BUCKETS: Final = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60")  # per cent
# A bucket that holds one mask in a hundred is then missed once in 3e10 images.
_TRIES: Final = 2400

_THRESHOLD: Final = 128  # of mask files: half of the scale
_SHARES: Final = (0.6, 1.0)  # of the shorter side of a mask file that is cut out
_PROBES: Final = 8  # files that are checked when a folder is opened

DRAWN: Final = {"freeform": freeform_hole, "thin": thin_hole, "blob": blob_hole}


def bucket_of(hole: Hole) -> str | None:
    """Return which of ``BUCKETS`` an (H, W) hole is in; None if empty or above 60 %."""
    tenths = -(-10 * int(np.count_nonzero(hole)) // hole.size)  # rounded up: 10 % is in 0-10
    return BUCKETS[tenths - 1] if 1 <= tenths <= len(BUCKETS) else None


def check_buckets(buckets: Sequence[str]) -> tuple[str, ...]:
    """Return each named bucket once, ascending; ContractError if one is unknown, or none given."""
    unknown = sorted({*buckets} - {*BUCKETS})
    if unknown or not buckets:
        raise ContractError(
            f"hole-ratio buckets must be among {', '.join(BUCKETS)} (per cent); "
            f"got {', '.join(unknown) or 'none'}"
        )
    return tuple(bucket for bucket in BUCKETS if bucket in buckets)


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
    """Return a source of strokes ("freeform"), "thin" damage or ellipses ("blob")."""
    return ComputedHoles(kind, partial(DRAWN[kind], ratio=ratio), {"ratio": list(ratio)})


def freeform_buckets(buckets: Sequence[str]) -> ComputedHoles:
    """Return a source of strokes, equally often of each bucket; some end in the next one."""
    return ComputedHoles("freeform", partial(_bucketed, buckets))


def _bucketed(buckets: Sequence[str], height: int, width: int, rng: np.random.Generator) -> Hole:
    bounds = buckets[int(rng.integers(len(buckets)))].split("-")
    low, high = (int(bound) / 100 for bound in bounds)
    return freeform_hole(height, width, rng, ratio=(max(low, 0.01), high))


class MixedHoles:
    """Holes of several sources in proportion to their shares, of which only the ratios count."""

    def __init__(self, sources: Sequence[MaskSource], shares: Sequence[float]) -> None:
        self._sources = sources
        self._shares = [share / sum(shares) for share in shares]

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        part = int(rng.choice(len(self._sources), p=self._shares))
        return self._sources[part].draw(size, rng)

    def summary(self) -> dict[str, Any]:
        return mixture_summary(self._sources, self._shares)


@dataclasses.dataclass(frozen=True)
class FilteredHoles:
    """Holes of another source, drawn until one is neither empty nor full, and in given buckets.

    The final hole is checked, which needs no list of the ratios of all masks.
    """

    source: MaskSource
    buckets: Sequence[str] | None

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        for _ in range(_TRIES):
            hole = self.source.draw(size, rng)
            if not 0 < np.count_nonzero(hole) < hole.size:
                continue
            if self.buckets is None or bucket_of(hole) in self.buckets:
                return hole
        wanted = "neither empty nor full"
        if self.buckets is not None:
            wanted = f"of {', '.join(self.buckets)} % of the image"
        raise ContractError(
            f"a mask must leave a hole {wanted}; none of {_TRIES} drawn at {size} x {size} does "
            f"({self.source.summary()})\nIf black is missing in these masks, use --mask-invert."
        )

    def summary(self) -> dict[str, Any]:
        chosen = {} if self.buckets is None else {"buckets": list(self.buckets)}
        return {**self.source.summary(), **chosen}


class FolderMasks:
    """Mask files below a folder, white is missing, augmented by one random affine map.

    Without augmentation, the central square is scaled.
    """

    def __init__(self, root: Path, *, invert: bool = False, augment: bool = True) -> None:
        check_folder(root, "masks")
        self._root = root
        self._invert = invert
        self._augment = augment
        self._names = NameList(walk(root))
        if not len(self._names):
            raise ContractError(
                f"a folder of masks must hold at least one; got none in {root}\n"
                f"Files of these kinds are taken, at any depth: {', '.join(sorted(INPUT_SUFFIXES))}"
            )
        self._probe()

    def draw(self, size: int, rng: np.random.Generator) -> Hole:
        index = int(rng.integers(len(self._names)))
        numbers = rng.random(6)  # drawn before the file is read, always as many
        mask = Image.fromarray(self._read(index).astype(np.uint8) * 255)
        middle = _matrix(mask.size, size, min(mask.size))
        matrix = _turned(mask.size, size, numbers) if self._augment else middle
        # Pixels of a turned square beyond the mask are known.
        kind = Image.Resampling.BILINEAR
        drawn = mask.transform((size, size), Image.Transform.AFFINE, matrix, kind, fillcolor=0)
        return np.asarray(drawn) >= _THRESHOLD

    def summary(self) -> dict[str, Any]:
        return {
            "kind": "folder",
            "name": self._root.resolve().name,
            "masks": len(self._names),
            "inverted": self._invert,
        }

    def _read(self, index: int) -> Hole:
        try:
            grey = load_grey(self._root / self._names[index])
        except (ContractError, OSError) as error:
            raise BrokenImageError(str(error).splitlines()[0]) from error
        levels = int(grey.max())
        white: Hole = grey >= (1 if levels == 1 else _THRESHOLD)  # some save 0 and 1
        return ~white if self._invert else white

    def _probe(self) -> None:
        """Check that some masks can be read and mark something; warn if they look inverted."""
        step = math.ceil(len(self._names) / _PROBES)
        coverages, problem = [], None
        for index in range(0, len(self._names), step):
            try:
                coverages.append(float(self._read(index).mean()))
            except BrokenImageError as error:
                problem = error
        if not coverages:
            raise ContractError(f"no mask could be read in {self._root}: {problem}")
        if not any(coverages):
            raise ContractError(
                f"masks must mark something; none of {len(coverages)} in {self._root} has a level "
                f"of {_THRESHOLD} or more\nMark missing pixels white."
            )
        if np.mean(coverages) > INVERTED_COVERAGE:
            logger.warning(
                "masks in %s mark %.0f %% as missing on average; if inverted, use --mask-invert",
                *(self._root, 100 * np.mean(coverages)),
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
