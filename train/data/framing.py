"""Cut a square out of a picture of any size, and augment it.

The cut is drawn before the file is opened, so that a JPEG is decoded no larger than needed.

Letters: H W sides of the picture, S side of the result, in pixels.
"""

import dataclasses
import math
from typing import Final, Literal, NamedTuple

import numpy as np
from PIL import Image

from .protocols import Pixels

REFERENCE_SIZE: Final = 256  # px; the side that networks are trained at and recipes assume
_THIRDS: Final = (0.0, 0.5, 1.0)  # left, middle, right


class Cut(NamedTuple):
    """A random crop, in units that are independent of the size of the picture."""

    share: float  # side / shorter side of the picture
    pixels: float | None  # side in pixels for a result of 256, which overrides share
    across: float  # 0 leftmost ... 1 rightmost
    down: float  # 0 topmost ... 1 lowest
    flip: bool
    quarter_turns: int
    whole: bool = False  # the whole picture, stretched, instead of a square


@dataclasses.dataclass(frozen=True, kw_only=True)
class Framing:
    """How crops are drawn."""

    # "thirds" is left, middle or right; "whole" stretches the whole picture to a square
    where: Literal["centre", "random", "thirds", "whole"] = "centre"
    # Side over the shorter side of the picture, at most 1; a square is never made smaller than
    # the result, as long as the picture is not.
    share: tuple[float, float] = (1.0, 1.0)
    even: bool = False  # log-uniform shares: doubling is as likely as halving
    # Instead of ``share``: the side in pixels for a result of 256; larger results take
    # proportionally more, smaller ones are scaled down.
    pixels: tuple[float, float] | None = None
    flip: bool = False  # mirror half of the pictures, at random
    turn: bool = False  # by a random number of quarter turns
    smooth: bool = True  # bicubic; else bilinear, for recipes whose source has it

    def fixed(self) -> "Framing":
        """Return the framing without augmentation: the central square, or the whole picture."""
        middle = None if self.pixels is None else (REFERENCE_SIZE, REFERENCE_SIZE)
        where: Literal["whole", "centre"] = "whole" if self.where == "whole" else "centre"
        return Framing(where=where, pixels=middle, smooth=self.smooth)

    def draw(self, rng: np.random.Generator) -> Cut:
        """Draw one crop; it always advances the generator by the same amount."""
        share, ratio = rng.uniform(*self.share), rng.random()
        if self.even:
            share = _between(*self.share, ratio)
        pixels = None if self.pixels is None else _between(*self.pixels, ratio)
        across, down, third = rng.random(), rng.random(), int(rng.integers(len(_THIRDS)))
        if self.where in ("centre", "whole"):
            across = down = 0.5
        elif self.where == "thirds":
            across = down = _THIRDS[third]
        flip, turns = bool(rng.integers(2)) and self.flip, int(rng.integers(4)) * self.turn
        return Cut(share, pixels, across, down, flip, turns, self.where == "whole")


def _between(low: float, high: float, ratio: float) -> float:
    return low * math.exp(ratio * math.log(high / low))


def least_side(cut: Cut, size: int) -> int | None:
    """Return the shorter side, in pixels, that a decoder must keep; None if it must not scale."""
    return None if cut.pixels is not None else math.ceil(size / cut.share)


def cut_out(picture: Image.Image, size: int, cut: Cut, *, smooth: bool = True) -> Pixels:
    """Cut a square out of an RGB picture and scale it to (S, S, 3); small pictures are enlarged."""
    width, height = picture.size
    shorter = min(width, height)
    if cut.pixels is None:
        side = min(max(round(cut.share * shorter), size), shorter)
    else:
        side = min(round(cut.pixels * max(size, REFERENCE_SIZE) / REFERENCE_SIZE), shorter)
    left, top = round(cut.across * (width - side)), round(cut.down * (height - side))
    box = (0, 0, width, height) if cut.whole else (left, top, left + side, top + side)
    if (box[2] - box[0], box[3] - box[1]) == (size, size):
        square = picture.crop(box)
    else:
        kind = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
        square = picture.resize((size, size), kind, box=box, reducing_gap=3.0)
    pixels = np.rot90(np.asarray(square), k=cut.quarter_turns)
    return np.ascontiguousarray(pixels[:, ::-1] if cut.flip else pixels)


_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def tint(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Change hue, brightness and contrast of an (H, W, 3) image."""
    # A network must learn that a hole has the hue of its surroundings. Permuting the channels
    # taught the opposite: green patches in brown fur.
    own, gain, shift = rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    # Grey is linear in the channels, so that the whole change is one 3 x 3 matrix.
    matrix = own * np.eye(3) + (1 - own) * np.outer(_LUMA, rng.uniform(0.6, 1.4, 3))
    tinted = image.astype(np.float32) @ (gain * matrix).astype(np.float32)
    tinted += np.float32(shift)
    np.clip(tinted, 0, 255, out=tinted)
    return tinted.astype(np.uint8)
