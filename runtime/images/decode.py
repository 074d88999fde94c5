"""Open image files: bounded in size, upright, and every broken one refused with its reason."""

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Final

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ...plugins.errors import ContractError, CsakitError
from .metadata import Metadata, read_metadata

logger = logging.getLogger(__name__)

# What Pillow reads by itself, without starting another program (as it does for EPS).
FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
INPUT_SUFFIXES: Final = frozenset(
    [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".pbm"]
)

# A few copies of 3 bytes a pixel then stay near 1 GB. The largest phone cameras that are in
# wide use have 108 million.
MAX_PIXELS: Final = 120_000_000

_MANY_PICTURES: Final = "MPO"  # a JPEG photograph followed by previews; the first is the photograph


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image file in memory.

    Attributes:
        image: upright, in the mode of the file.
        format: Pillow's name of the file format.
        deep: the file has more than 8 bits a channel, even where the mode hides it.
        metadata: what else the file says.
    """

    image: Image.Image
    format: str
    deep: bool
    metadata: Metadata


def decode(path: Path, *, least_side: int | None = None) -> Decoded:
    """Read an image file of any mode, turned as its EXIF orientation says.

    Args:
        path: of the file. Of several frames the first is read, with a warning.
        least_side: a JPEG is decoded at a half, a quarter or an eighth of its size where its
            shorter side then still has this many pixels, several times faster; None always
            decodes all pixels.

    Returns:
        The image.

    Raises:
        ContractError: the file is absent, not an image, corrupt, truncated, or too large.
    """
    if not path.is_file():
        raise ContractError(f"an image must be an existing file; got {path}")
    try:
        # Pillow also warns of large images and odd metadata; both are judged here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as file:
                return _load(path, file, least_side)
    except CsakitError:
        raise
    except Image.DecompressionBombError as error:
        raise ContractError(
            f"an image must have at most {MAX_PIXELS:,} pixels; {path} has far more\n{_SMALLER}"
        ) from error
    except UnidentifiedImageError as error:
        raise ContractError(
            f"{path} must be an image of the formats {', '.join(FORMATS)}; its content is not"
        ) from error
    except Exception as error:  # decoders raise what they like on files that are broken
        raise ContractError(f"{path} is corrupt or truncated: {error}\nCopy it again.") from error


_SMALLER: Final = "Cut out the part to repair, or scale the image down."


def _load(path: Path, file: ImageFile.ImageFile, least_side: int | None) -> Decoded:
    """Check the header, then decode."""
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise ContractError(
            f"an image must have at most {MAX_PIXELS:,} pixels; {path} has {width} x {height}\n"
            f"{_SMALLER}"
        )
    deep = file.mode.startswith(("I", "F")) or any(";16" in str(tile) for tile in file.tile)
    kind = file.format or ""
    frames = getattr(file, "n_frames", 1)
    if least_side is not None:
        file.draft(None, (least_side, least_side))  # only JPEG has smaller versions of itself
    file.load()
    upright = _upright(path, file)
    if frames > 1 and kind != _MANY_PICTURES:
        logger.warning("%s has %d frames; only the first is used", path, frames)
    metadata = read_metadata(path, file, upright)
    return Decoded(image=upright, format=kind, deep=deep, metadata=metadata)


def _upright(path: Path, file: ImageFile.ImageFile) -> Image.Image:
    """Turn an image as its EXIF orientation says; one that cannot be read says nothing."""
    try:
        return ImageOps.exif_transpose(file)
    except Exception as error:  # the parser raises what it likes on broken data
        logger.warning("%s: its EXIF data cannot be read and is dropped (%s)", path, error)
        return file.copy()
