"""Holes: the paper's centre square, boxes and free-form strokes, drawn from a generator.

Letters: H W sides in pixels. A hole is (H, W) bool, True = missing.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Hole = npt.NDArray[np.bool_]

# The published centre hole: half of each side less 4 pixels at each edge; 120 x 120 in 256.
_CENTRE_MARGIN_PX: Final = 4


def centre_hole(height: int, width: int) -> Hole:
    """Mark the centre rectangle that the paper evaluates with.

    Args:
        height: H.
        width: W.

    Returns:
        (H, W); 120 x 120 missing pixels for 256 x 256.
    """
    hole = np.zeros((height, width), dtype=bool)
    top, left = height // 4 + _CENTRE_MARGIN_PX, width // 4 + _CENTRE_MARGIN_PX
    hole[top : height - top, left : width - left] = True
    return hole


def box_hole(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    share: tuple[float, float] = (0.15, 0.55),
) -> Hole:
    """Mark one rectangle somewhere in the image.

    Args:
        height: H.
        width: W.
        rng: source of all randomness.
        share: each side is drawn from this range of the image's side; both in (0, 1].

    Returns:
        (H, W).
    """
    hole = np.zeros((height, width), dtype=bool)
    tall, wide = (max(round(rng.uniform(*share) * side), 1) for side in (height, width))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    hole[top : top + tall, left : left + wide] = True
    return hole


def freeform_hole(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    ratio: tuple[float, float] = (0.1, 0.4),
) -> Hole:
    """Draw strokes until a random share of the image is missing.

    Each stroke is a walk of a few straight lines of one thickness, with round joints, that
    may leave the image; the look of scratches, text and fingers.

    Args:
        height: H.
        width: W.
        rng: source of all randomness.
        ratio: the share to reach is drawn from this range; both in (0, 1).

    Returns:
        (H, W).
    """
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    wanted = rng.uniform(*ratio) * height * width
    while np.count_nonzero(np.asarray(canvas)) < wanted:
        _stroke(pen, height, width, rng)
    return np.asarray(canvas) > 0


def _stroke(pen: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    side = min(height, width)
    thickness = int(rng.integers(max(side // 32, 2), max(side // 10, 3) + 1))
    at = rng.uniform((0, 0), (width, height))
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(2, 8))):
        heading += rng.uniform(-0.8, 0.8)  # radians; strokes bend rather than fold
        to = at + rng.uniform(0.05, 0.25) * side * np.array([np.cos(heading), np.sin(heading)])
        pen.line([tuple(at), tuple(to)], fill=255, width=thickness)
        radius = thickness / 2
        pen.ellipse([*(to - radius), *(to + radius)], fill=255)
        at = to
