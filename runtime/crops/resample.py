"""Scale and pad image parts for the network."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..tensors.pixels import Bool, Uint8

OPAQUE = 255


def shrink(image: Uint8, hole: Bool, size: tuple[int, int]) -> tuple[Uint8, Bool]:
    """Scale (H, W, 3) and its hole down; each pixel is the mean of the known ones under it."""
    known = np.where(hole, 0, OPAQUE).astype(np.uint8)
    covered = Image.fromarray(np.dstack([image, known]))
    # Pillow weights colours by the alpha channel, here by what is known. A box reaches no
    # further than the pixels under it.
    scaled = np.asarray(covered.resize(size[::-1], Image.Resampling.BOX))
    missing: Bool = scaled[..., 3] < OPAQUE
    if missing.all():  # a pixel is then known where any under it is, not only where all are
        missing = scaled[..., 3] == 0
    return np.ascontiguousarray(scaled[..., :3]), missing


def enlarge(image: Uint8, size: tuple[int, int]) -> Uint8:
    """Scale an image (H, W, 3) up to a size, bicubically."""
    scaled = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.array(scaled, dtype=np.uint8)


def pad(array: npt.NDArray[np.generic], size: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Extend (H, W) or (H, W, C) to a size by reflection to the right and below."""
    if array.shape[:2] == size:
        return array
    added = [(0, new - old) for old, new in zip(array.shape[:2], size, strict=True)]
    return np.pad(array, [*added, (0, 0)][: array.ndim], mode="reflect")


def whole_squares(marked: Bool, unit: int) -> Bool:
    """Report which u x u squares of (H, W) are marked entirely, (H / u, W / u) rounded down."""
    h, w = marked.shape[0] // unit, marked.shape[1] // unit
    squares = marked[: h * unit, : w * unit].reshape(h, unit, w, unit)
    return np.asarray(squares.all(axis=(1, 3)))
