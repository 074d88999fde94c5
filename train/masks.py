"""Synthetic holes: the paper's centre square, boxes, strokes, thin damage and blobs.

Letters: H W sides in pixels. A hole is (H, W) bool, True = missing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Hole = npt.NDArray[np.bool_]
Rng = np.random.Generator
Range = tuple[float, float]
Pen = ImageDraw.ImageDraw
Draw = Callable[[Pen, int, int, Rng], None]

# The published centre hole: half of each side less 4 pixels at each edge; 120 x 120 in 256.
_CENTRE_MARGIN_PX: Final = 4
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 "

# Side in pixels of the largest square inside one mark of each kind, in images of 256 x 256.
_LARGEST: Final = {"center": 120, "box": 140, "freeform": 25, "thin": 8, "blob": 57}


def largest_hole(summary: Mapping[str, Any]) -> int | None:
    """Return the side in pixels of a source's largest hole at 256 x 256; None if unknown."""
    parts = summary.get("parts", (summary,))
    known = [_LARGEST[part["kind"]] for part in parts if part.get("kind") in _LARGEST]
    return max(known, default=None)


def centre_hole(height: int, width: int, _rng: Rng | None = None) -> Hole:
    """Return the paper's centre rectangle, (H, W); 120 x 120 missing pixels for 256 x 256."""
    hole = np.zeros((height, width), dtype=bool)
    top, left = height // 4 + _CENTRE_MARGIN_PX, width // 4 + _CENTRE_MARGIN_PX
    hole[top : height - top, left : width - left] = True
    return hole


def box_hole(height: int, width: int, rng: Rng, *, share: Range = (0.15, 0.55)) -> Hole:
    """Return a random rectangle, (H, W); ``share`` bounds its sides over those of the image."""
    hole = np.zeros((height, width), dtype=bool)
    tall, wide = (max(round(rng.uniform(*share) * side), 1) for side in (height, width))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    hole[top : top + tall, left : left + wide] = True
    return hole


def freeform_hole(height: int, width: int, rng: Rng, *, ratio: Range = (0.1, 0.4)) -> Hole:
    """Draw strokes with round joints until a random share within ``ratio`` is missing."""
    return _until(height, width, rng, ratio, _stroke)


def thin_hole(height: int, width: int, rng: Rng, *, ratio: Range = (0.02, 0.2)) -> Hole:
    """Draw scratches (1-6 px), dust (radius 1-4) or text (12-60 px) until a share is missing."""
    draw = (_scratch, _dust, _word)[int(rng.choice(3, p=(0.45, 0.2, 0.35)))]
    return _until(height, width, rng, ratio, draw)


def blob_hole(height: int, width: int, rng: Rng, *, ratio: Range = (0.02, 0.3)) -> Hole:
    """Draw ellipses, half axes 3 to 16 % of the shorter side, until a share is missing."""
    return _until(height, width, rng, ratio, _ellipse)


def _until(height: int, width: int, rng: Rng, ratio: Range, draw: Draw) -> Hole:
    """Draw until a random share of the image is missing."""
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    wanted = rng.uniform(*ratio) * height * width
    while np.count_nonzero(np.asarray(canvas)) < wanted:
        draw(pen, height, width, rng)
    return np.asarray(canvas) > 0


def _scratch(pen: Pen, height: int, width: int, rng: Rng) -> None:
    thickness = int(rng.integers(1, 7))
    _walk(pen, height, width, rng, thickness, step=(0.1, 0.5), bend=0.35)


def _dust(pen: Pen, height: int, width: int, rng: Rng) -> None:
    for _ in range(8):  # the share is measured after each call, and one grain covers little
        at, radius = rng.uniform((0, 0), (width, height)), rng.uniform(1, 4)
        pen.ellipse([*(at - radius), *(at + radius)], fill=255)


def _word(pen: Pen, height: int, width: int, rng: Rng) -> None:
    letters = "".join(rng.choice([*_LETTERS], size=int(rng.integers(3, 12))))
    at = rng.uniform((-0.2 * width, 0), (0.8 * width, height))
    pen.text(tuple(at), letters, fill=255, font=ImageFont.load_default(int(rng.integers(16, 72))))


def _ellipse(pen: Pen, height: int, width: int, rng: Rng) -> None:
    at = rng.uniform((0, 0), (width, height))
    half = rng.uniform(0.03, 0.16, 2) * min(height, width)
    pen.ellipse([*(at - half), *(at + half)], fill=255)


def _stroke(pen: Pen, height: int, width: int, rng: Rng) -> None:
    side = min(height, width)
    thickness = int(rng.integers(max(side // 32, 2), max(side // 10, 3) + 1))
    _walk(pen, height, width, rng, thickness, step=(0.05, 0.25), bend=0.8)


def _walk(
    pen: Pen, height: int, width: int, rng: Rng, thickness: int, *, step: Range, bend: float
) -> None:
    """Draw a few straight lines with round joints; ``bend`` in radians."""
    at = rng.uniform((0, 0), (width, height))
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(2, 8))):
        heading += rng.uniform(-bend, bend)
        length = rng.uniform(*step) * min(height, width)
        to = at + length * np.array([np.cos(heading), np.sin(heading)])
        pen.line([tuple(at), tuple(to)], fill=255, width=thickness)
        radius = thickness / 2
        pen.ellipse([*(to - radius), *(to + radius)], fill=255)
        at = to
