"""Convert mask files of any mode and size to the hole of an image. White is missing.

Paint programs save a layer with an alpha channel: its transparent parts are known, whatever their
colour, unless ``MaskOptions.channel`` says otherwise.
"""

import logging
from typing import Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError
from ..crops.regions import dilate
from ..notices import notify
from ..options import MaskOptions
from ..tensors.pixels import Bool, Uint8
from .decode import decode
from .deep import SCALE, Uint16
from .source import Source

logger = logging.getLogger(__name__)

INVERTED_COVERAGE: Final = 0.6  # share of the image; a larger hole suggests an inverted mask
_COLOURS: Final = ("red", "green", "blue")

# Masks with soft edges have grey pixels too, but few; photographs have little else.
_BETWEEN: Final = (24, 231)  # neither dark nor light
_MANY_LEVELS: Final = 48
_DOUBTFUL_SHARE: Final = 0.1
_PHOTOGRAPH_SHARE: Final = 0.5
_COLOURFUL: Final = 48 / 255  # difference between channels; larger than JPEG's errors of grey
_COLOURED_SHARE: Final = 0.002

_EXCHANGED: Final = "Are IMAGE and MASK exchanged? A mask is black and white: white is missing."
_ALPHA: Final = "If what is transparent is missing: --mask-channel alpha"


class _Layer:
    """A mask file as stored."""

    def __init__(self, stored: Uint8 | Uint16) -> None:
        """Split (H, W, C) into grey or three colours, and alpha if there is one."""
        transparent = stored.shape[2] in (2, 4)
        self.colours = stored[..., :-1] if transparent else stored  # (H, W, 1 or 3)
        self.alpha = stored[..., -1] if transparent else None  # (H, W)
        self.full = np.iinfo(stored.dtype).max  # white, and opaque

    @property
    def coloured(self) -> bool:
        """Whether more than a few visible pixels are not grey."""
        if self.colours.shape[2] == 1:
            return False
        spread = np.ptp(self.colours, axis=2) > _COLOURFUL * self.full
        if self.alpha is not None:
            spread &= self.alpha > 0
        return bool(spread.mean() > _COLOURED_SHARE)

    def levels(self, channel: str) -> Uint16:
        """Return how strongly each pixel is marked, (H, W), 0 to 65535."""
        if channel == "alpha" and self.alpha is not None:
            found = self.full - self.alpha
        elif channel == "grey":
            found = self._visible(_luma(self.colours))
        elif channel != "alpha" and self.colours.shape[2] == 3:
            own = _COLOURS.index(channel)
            others = np.delete(self.colours, own, axis=2).max(axis=2)
            found = self._visible(np.maximum(self.colours[..., own], others) - others)
        else:
            found = np.zeros(self.colours.shape[:2], self.colours.dtype)
        levels: Uint16 = found.astype(np.uint16) * np.uint16(65535 // self.full)
        return levels

    def _visible(self, levels: Uint8 | Uint16) -> Uint8 | Uint16:
        """Reduce levels where the file is transparent."""
        if self.alpha is None:
            return levels
        seen = levels.astype(np.uint32) * self.alpha // self.full
        return seen.astype(np.uint8 if self.full == 255 else np.uint16)


def load_hole(path: Source, size: tuple[int, int], options: MaskOptions) -> Bool:
    """Read the mask of an image of this upright (H, W), scaled to it; warn of unusual masks.

    Raises:
        ContractError: the file cannot be read, has another shape, covers the whole image, is a
            photograph, or is not black and yet marks nothing.
    """
    return _hole(_read(path), path, size, options)


def hole_of(image: Image.Image, name: Source, size: tuple[int, int], options: MaskOptions) -> Bool:
    """Return the hole of a mask that is a Pillow image; see ``load_hole``."""
    return _hole(_Layer(_stored(name, image)), name, size, options)


def _hole(layer: _Layer, path: Source, size: tuple[int, int], options: MaskOptions) -> Bool:
    """Return the hole that a layer marks, scaled to its image."""
    levels = layer.levels(options.channel)
    if levels.any() and levels.max() < SCALE:
        levels = _small_numbers(path, levels, options)
    hole: Bool = levels >= options.threshold * SCALE
    _check_levels(path, layer, levels, options)
    hole = _fit(path, ~hole if options.invert else hole, size)
    hole = dilate(hole, options.dilate)
    _check_coverage(path, hole, options)
    return hole


def load_grey(path: Source) -> Uint8:
    """Read a mask file as grey levels (H, W); transparent parts are 0."""
    levels = _read(path).levels("grey")
    small = levels.max(initial=0) < SCALE  # as ``_small_numbers`` says
    return (np.minimum(levels, 255) if small else levels // SCALE).astype(np.uint8)


def _read(path: Source) -> _Layer:
    file = decode(path, what="a mask")
    if file.levels is not None:
        return _Layer(file.levels)
    if file.deep and file.image.mode[0] not in "IF":  # Pillow cut it to 8 bits, or worse
        raise ContractError(
            f"a mask must have 8 bits a channel, or 16 in PNG or TIFF; {path} is {file.unread}\n"
            "Convert it first, for example: magick INPUT -depth 8 OUTPUT.png"
        )
    return _Layer(_stored(path, file.image))


def _stored(path: Source, image: Image.Image) -> Uint8 | Uint16:
    """Return (H, W, 1 to 4), 8 or 16 bits."""
    if image.mode.startswith("I"):  # of PGM, and 32-bit integers in use
        numbers = np.asarray(image)
        if numbers.min() >= 0 and numbers.max() <= 65535:
            levels: Uint16 = numbers.astype(np.uint16)[..., None]
            return levels
    if image.mode == "F" or image.mode.startswith("I"):
        raise ContractError(
            f"a mask must have 8 or 16 bits, black to white; {path} holds 32-bit numbers"
        )
    grey = image.mode in ("1", "L", "LA", "La")
    mode = "L" if grey else "RGB"
    if image.has_transparency_data:
        mode = "LA" if grey else "RGBA"
    stored: Uint8 = np.atleast_3d(np.asarray(image.convert(mode)))
    return stored


def _luma(colours: Uint8 | Uint16) -> Uint8 | Uint16:
    """Return the grey levels of colours, (H, W), as Pillow weights them."""
    if colours.shape[2] == 1:
        grey: Uint8 | Uint16 = colours[..., 0]
    elif colours.dtype == np.uint8:
        grey = np.asarray(Image.fromarray(colours).convert("L"))
    else:
        grey = np.rint(colours @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint16)
    return grey


def _small_numbers(path: Source, levels: Uint16, options: MaskOptions) -> Uint16:
    """Scale small numbers in a 16-bit mask, which are 8-bit levels."""
    if levels.max() >= options.threshold:
        text = "%s holds 16-bit numbers up to %d: read as 8-bit ones"
        notify(logger, "small-numbers", text, path, levels.max())
    eight: Uint16 = np.minimum(levels, 255) * np.uint16(SCALE)
    return eight


def _check_levels(path: Source, layer: _Layer, levels: Uint16, options: MaskOptions) -> None:
    """Refuse a mask that is not black but marks nothing, and one that is a photograph."""
    highest = int(levels.max(initial=0))
    between, many = _grey_share(levels)
    if highest < options.threshold * SCALE:
        _check_unmarked(path, layer, highest // SCALE, options, many=many)
    elif many and options.channel in _COLOURS:  # of a photograph that was painted over
        text = "%s is read as a photograph painted over: %.1f %% of it are %s, and missing. %s"
        remedy = "Take a colour that it has nowhere else, or raise --mask-threshold"
        marked = 100 * float((levels >= options.threshold * SCALE).mean())
        notify(logger, "painted", text, path, marked, options.channel, remedy)
    elif many and between > _PHOTOGRAPH_SHARE:
        raise ContractError(
            f"a mask must be black and white; {path} has many greys in {100 * between:.0f} % of "
            f"its pixels, as a photograph\n{_remedy(layer, options)}"
        )
    elif many and between > _DOUBTFUL_SHARE:
        text = "%s has many greys in %.0f %% of its pixels; those from %d on are masked. %s"
        remedy = _remedy(layer, options)
        notify(logger, "grey", text, path, 100 * between, options.threshold, remedy)
    elif options.channel == "grey" and layer.coloured:
        text = "%s is coloured and read as grey. If one colour marks the hole: --mask-channel %s"
        notify(logger, "coloured", text, path, "red, green or blue")


def _check_unmarked(
    path: Source, layer: _Layer, highest: int, options: MaskOptions, *, many: bool
) -> None:
    """Refuse a mask that marks nothing, unless it is black."""
    if options.channel != "grey":
        what = "transparent" if options.channel == "alpha" else options.channel
        if highest:
            raise ContractError(
                f"{what} pixels of a mask mark what is missing; {path} is {what} only up to level "
                f"{highest} of 255, below {options.threshold}\n"
                f"If that is missing, use --mask-threshold {highest}"
            )
        if layer.colours.any() or layer.alpha is not None:
            raise ContractError(
                f"{what} pixels of a mask mark what is missing; {path} has none\n"
                "Leave --mask-channel out for a mask whose white is missing."
            )
        return
    if layer.coloured:
        own = np.argmax([layer.levels(name).max() for name in _COLOURS])
        raise ContractError(
            f"white (255) is missing in a mask; {path} is in colour, none of it as light as "
            f"{options.threshold}\nIf {_COLOURS[own]} is missing, use "
            f"--mask-channel {_COLOURS[own]}"
        )
    if highest:
        rule = "holds only 0 and 1" if highest == 1 else f"holds levels up to {highest} only"
        raise ContractError(
            f"white (255) is missing in a mask; {path} {rule}\n"
            f"If {highest} is missing, use --mask-threshold {highest}"
            + (f"\n{_EXCHANGED}" if many else "")
        )
    if layer.alpha is not None and layer.alpha.min() < layer.alpha.max():
        raise ContractError(
            f"white is missing in a mask; {path} is black where it is not transparent\n"
            f"{_ALPHA}; if what is opaque is missing, add --mask-invert"
        )


def _grey_share(levels: Uint16) -> tuple[float, bool]:
    """Return the share of greys that are neither dark nor light, and whether they are many."""
    counts = np.bincount((levels // SCALE).ravel(), minlength=256)
    low, high = _BETWEEN
    between = counts[low : high + 1].sum() / max(1, levels.size)
    return float(between), bool((counts > 0).sum() >= _MANY_LEVELS)


def _remedy(layer: _Layer, options: MaskOptions) -> str:
    if options.channel == "grey" and layer.alpha is not None and (layer.alpha < 32768).any():
        return _ALPHA
    if options.channel == "grey" and layer.coloured:
        return f"{_EXCHANGED} If one colour marks what is missing: --mask-channel red"
    return _EXCHANGED


def _fit(path: Source, hole: Bool, size: tuple[int, int]) -> Bool:
    """Scale a hole to its image; a pixel is missing when any mask pixel over it is."""
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
    text = "%s is %d x %d: scaled to the image, %d x %d"
    notify(logger, "scaled", text, path, columns, rows, width, height)
    scaled: Bool = _any_over(_any_over(hole, height).T, width).T
    return scaled


def _any_over(hole: Bool, rows: int) -> Bool:
    """Scale the rows of a hole; each is missing where any row over it is."""
    old = hole.shape[0]
    first = np.arange(rows, dtype=np.int64) * old // rows
    last = -(-np.arange(1, rows + 1, dtype=np.int64) * old // rows)
    counts = np.zeros((old + 1, hole.shape[1]), np.int32)
    np.cumsum(hole, axis=0, out=counts[1:])
    missing: Bool = counts[last] > counts[first]
    return missing


def _check_coverage(path: Source, hole: Bool, options: MaskOptions) -> None:
    """Refuse a full hole; warn of an empty one and of one that looks inverted."""
    coverage = float(hole.mean())
    if coverage == 1:
        cause = f", after growing it by {options.dilate} pixels" if options.dilate else ""
        what = {"grey": "White", "alpha": "What is transparent"}.get(options.channel, "The colour")
        raise ContractError(
            f"at least one pixel must be known; {path} covers the whole image{cause}\n"
            f"{what} is missing; if the rest is missing in this mask, use --mask-invert."
        )
    if coverage == 0:
        text = "%s marks nothing (white is missing): the result is the input"
        notify(logger, "empty", text, path)
    elif coverage > INVERTED_COVERAGE:
        text = "%s marks %.0f %% of the image as missing; if it is inverted, use --mask-invert"
        notify(logger, "inverted", text, path, 100 * coverage)
