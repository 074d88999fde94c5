"""Synthetic holes like those that people mark, by class, reproducible from a seed.

Letters: H W sides in pixels. A hole is (H, W) bool, True = missing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ..data.mask_sources import ComputedHoles
from ..data.protocols import Hole

_Draw = Callable[[ImageDraw.ImageDraw, tuple[int, int], np.random.Generator], None]

_PIXELS_PER_MARK: Final = 256 * 256 / 4  # scratches, dust, spots, strokes: 4 in 256 x 256
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def draw_hole(name: str, size: tuple[int, int], seed: int) -> Hole:
    """Draw an (H, W) hole of one of ``HOLE_CLASSES``; sides must be at least 256."""
    canvas = Image.new("L", size[::-1])
    rng = np.random.default_rng([seed, list(HOLE_CLASSES).index(name)])
    HOLE_CLASSES[name](ImageDraw.Draw(canvas), size, rng)
    return np.asarray(canvas) > 127


def class_holes(name: str) -> ComputedHoles:
    """Return the holes of one class as a source of masks."""
    return ComputedHoles(name, partial(_hole_of_class, name))


def _hole_of_class(name: str, height: int, width: int, rng: np.random.Generator) -> Hole:
    return draw_hole(name, (height, width), int(rng.integers(2**31)))


def _text(pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Write a watermark of three lines, in letters of 24 to 40 pixels."""
    height, width = size
    top = rng.uniform(0.1, 0.3) * height
    for _ in range(3):
        font = ImageFont.load_default(float(rng.integers(24, 41)))
        line = "".join(rng.choice(list(_LETTERS), 12))
        pen.text((rng.uniform(0, 0.3) * width, top), line, fill=255, font=font)
        top += 0.22 * height


def _discs(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    discs: int,  # for each mark
    radius: tuple[float, float],
) -> None:
    for _ in range(discs * _marks(size)):
        _disc(pen, _place(size, rng), rng.uniform(*radius))


def _lines(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    marks: int,  # for each line
    width: tuple[int, int],
    bend: float,  # radians
    step: float,  # of 256 pixels
) -> None:
    """Draw lines of five pieces; thick ones have round joints."""
    for _ in range(max(_marks(size) // marks, 1)):
        thickness = int(rng.integers(width[0], width[1] + 1))
        at, heading = _place(size, rng), rng.uniform(0, 2 * np.pi)
        for _ in range(5):
            direction = np.array([np.cos(heading), np.sin(heading)])
            to = at + 256 * step * rng.uniform(0.5, 1.5) * direction
            pen.line((*at, *to), fill=255, width=thickness)
            if thickness > 4:
                _disc(pen, to, thickness / 2)
            at, heading = to, heading + rng.uniform(-bend, bend)


def _box(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator, *, side: int
) -> None:
    """Mark one square, away from the border."""
    top, left = (int(rng.integers(16, length - side - 15)) for length in size)
    pen.rectangle((left, top, left + side - 1, top + side - 1), fill=255)


# Lengths are in pixels.
HOLE_CLASSES: Final[Mapping[str, _Draw]] = {
    "scratches": partial(_lines, marks=1, width=(2, 4), bend=0.15, step=0.15),
    "text": _text,
    "dust": partial(_discs, discs=15, radius=(1, 4)),
    "spots": partial(_discs, discs=1, radius=(15, 22)),
    "strokes": partial(_lines, marks=2, width=(12, 24), bend=0.8, step=0.12),
    "box96": partial(_box, side=96),
    "box160": partial(_box, side=160),
}


def _marks(size: tuple[int, int]) -> int:
    """Return the number of marks of an image, proportional to its area."""
    return max(round(size[0] * size[1] / _PIXELS_PER_MARK), 1)


def _place(size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return rng.uniform((0, 0), size[::-1])


def _disc(pen: ImageDraw.ImageDraw, at: npt.NDArray[np.float64], radius: float) -> None:
    pen.ellipse((*(at - radius), *(at + radius)), fill=255)
