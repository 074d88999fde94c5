"""Mask files of any mode and size to the hole of one image. White is missing.

Letters: H W sides in pixels.

A mask with an alpha channel is what paint programs save of a layer: its transparent parts are
known, whatever colour they hide.
"""

import logging
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError
from ..crops.distance import dilate
from ..options import MaskOptions
from ..tensors.pixels import Bool, Uint8
from .decode import decode

logger = logging.getLogger(__name__)

INVERTED_COVERAGE: Final = 0.6  # of the image; people remove less, and mark more only by mistake
_GREY_MODES_16: Final = ("I", "I;16", "I;16B", "I;16L")


def load_hole(path: Path, size: tuple[int, int], options: MaskOptions) -> Bool:
    """Read the mask of one image.

    Logs a warning when the mask is scaled, is empty, or looks inverted.

    Args:
        path: of the mask file.
        size: (H, W) of the upright image. A mask of the same shape in another size is scaled.
        options: threshold, inversion and dilation.

    Returns:
        (H, W), True where pixels are missing.

    Raises:
        ContractError: the file cannot be read, its shape is another, it covers the whole
            image, or it holds 0 and 1 where 0 and 255 are meant.
    """
    grey = load_grey(path)
    _check_levels(path, grey, options)
    hole: Bool = grey >= options.threshold
    hole = _fit(path, ~hole if options.invert else hole, size)
    hole = dilate(hole, options.dilate)
    _judge(path, hole, options)
    return hole


def load_grey(path: Path) -> Uint8:
    """Read a mask file as grey levels.

    Args:
        path: of an image file of any mode; 16-bit ones are reduced to 8.

    Returns:
        (H, W); transparent parts are 0.

    Raises:
        ContractError: the file cannot be read, or holds numbers without a known scale.
    """
    image = decode(path).image
    if image.mode in _GREY_MODES_16:
        levels = np.asarray(image)
        if levels.min() >= 0 and levels.max() <= 65535:
            return np.asarray(levels // 257, dtype=np.uint8)
    if image.mode == "F" or image.mode in _GREY_MODES_16:
        raise ContractError(
            f"a mask must have 8 or 16 bits, black to white; {path} holds 32-bit numbers"
        )
    if not image.has_transparency_data:
        return np.array(image.convert("L"), dtype=np.uint8)
    grey = image.convert("RGBA").convert("LA")
    levels = np.asarray(grey).astype(np.uint16)
    return np.asarray(levels[..., 0] * levels[..., 1] // 255, dtype=np.uint8)


def _check_levels(path: Path, grey: Uint8, options: MaskOptions) -> None:
    """Refuse a mask of zeros and ones, which looks black everywhere."""
    if grey.max() == 1 and options.threshold > 1:
        raise ContractError(
            f"white (255) is missing in a mask; {path} holds only 0 and 1\n"
            "If 1 is missing, say so: --mask-threshold 1"
        )


def _fit(path: Path, hole: Bool, size: tuple[int, int]) -> Bool:
    """Scale a hole to the size of its image, if the shapes agree within rounding."""
    if hole.shape == size:
        return hole
    (height, width), (rows, columns) = size, hole.shape
    # One of the sides may have been rounded when the mask was scaled.
    alike = abs(columns * height / width - rows) <= 1 or abs(rows * width / height - columns) <= 1
    if not alike:
        turned = " (its sides are exchanged: was the image turned?)"
        raise ContractError(
            f"a mask must have the shape of its image, {width} x {height}; {path} is "
            f"{columns} x {rows}{turned if (columns, rows) == (height, width) else ''}"
        )
    logger.warning(
        "%s is %d x %d: scaled to the image, %d x %d", path, columns, rows, width, height
    )
    picture = Image.fromarray(hole.astype(np.uint8))
    return np.array(picture.resize((width, height), Image.Resampling.NEAREST), dtype=bool)


def _judge(path: Path, hole: Bool, options: MaskOptions) -> None:
    """Refuse a full hole; warn of an empty one and of one that looks inverted."""
    coverage = float(hole.mean())
    if coverage == 1:
        cause = f", after growing it by {options.dilate} pixels" if options.dilate else ""
        raise ContractError(
            f"at least one pixel must be known; {path} covers the whole image{cause}\n"
            "White is missing; if black is missing in this mask, use --mask-invert."
        )
    if coverage == 0:
        logger.warning("%s marks nothing (white is missing): the result is the input", path)
    elif coverage > INVERTED_COVERAGE:
        logger.warning(
            "%s marks %.0f %% of the image as missing; if it is inverted, use --mask-invert",
            *(path, 100 * coverage),
        )
