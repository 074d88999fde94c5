"""Grids of labelled pictures. H W are sides in pixels."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...runtime.tensors.pixels import Bool, Uint8

_GAP_PX: Final = 4  # between pictures, and around them
_LABEL_PX: Final = 18  # height of a row of labels
_FONT_PX: Final = 12
_PAPER: Final = (255, 255, 255)
_INK: Final = (0, 0, 0)
_STRIPE_PX: Final = 6
_STRIPES: Final = (120, 200)  # grey levels; no photograph has such stripes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One (H, W, 3) picture of a grid, and the label above it, cut to its width."""

    picture: Uint8
    label: str


def draw_grid(rows: Sequence[Sequence[Cell]]) -> Uint8:
    """Draw rows of labelled pictures of one size."""
    height, width, _ = rows[0][0].picture.shape
    across, down = width + _GAP_PX, _LABEL_PX + height + _GAP_PX
    size = max(map(len, rows)) * across + _GAP_PX, len(rows) * down + _GAP_PX
    sheet = Image.new("RGB", size, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_PX)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            left, top = _GAP_PX + column * across, _GAP_PX + row * down
            label, middle = _cut(cell.label, font, width), (left, top + _LABEL_PX // 2)
            pen.text(middle, label, _INK, font, anchor="lm")
            sheet.paste(Image.fromarray(cell.picture), (left, top + _LABEL_PX))
    return np.asarray(sheet)


def with_hole(image: Uint8, hole: Bool) -> Uint8:
    """Return an (H, W, 3) image with grey stripes in its hole."""
    row, column = np.indices(hole.shape)
    stripes = np.where((row + column) // _STRIPE_PX % 2, *map(np.uint8, _STRIPES))
    return np.where(hole[..., None], stripes[..., None], image)


def of_hole(hole: Bool) -> Uint8:
    """Return an (H, W) hole as an (H, W, 3) mask: white is missing."""
    return np.repeat(np.where(hole, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)


def _cut(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> str:
    """Shorten a text to ``width`` pixels, ending in "..." if it is longer."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."
