"""Read image files as 8-bit RGB and write them back in their mode, with alpha and metadata."""

import contextlib
import dataclasses
import io
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError, CsakitError
from ..files.atomic import atomic_write
from ..files.failures import failure
from ..notices import notify
from ..tensors.pixels import Bool, Uint8
from .decode import Decoded, decode
from .deep import DEEP_FORMATS, SCALE, Uint16, eight_bits, encode_deep
from .metadata import Metadata
from .source import Source

logger = logging.getLogger(__name__)

OUTPUT_FORMATS: Final = {  # suffix -> Pillow's name
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
QUALITY: Final = 95  # of JPEG and WebP; known pixels then change by a few grey levels at most
_BAND_ROWS: Final = 16  # enough to distinguish photographs from drawings
_RUNS_MAX: Final = 1.05  # a larger file by this factor is accepted for a quarter of the time
_WITHOUT_ALPHA: Final = ("JPEG", "BMP")

# The mode that each Pillow mode is converted to. Others (LAB, HSV, more than 8 bits) are refused:
# they could not be written back without changing known pixels.
_READ_AS: Final = {
    **dict.fromkeys(("1", "L"), "L"),
    **dict.fromkeys(("LA", "La"), "LA"),
    **dict.fromkeys(("P", "RGB", "RGBX", "YCbCr", "CMYK"), "RGB"),
    **dict.fromkeys(("PA", "RGBA", "RGBa"), "RGBA"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """An image file as 8-bit RGB, with all that is needed to write it back."""

    pixels: Uint8  # (H, W, 3), RGB
    alpha: Uint8 | None  # (H, W), None where the file has none
    grey: bool  # the file has one colour channel
    metadata: Metadata  # EXIF, profile, XMP
    deep: Uint16 | None = None  # (H, W, C), all bits of a 16-bit file: grey or RGB, and alpha
    format: str = ""  # Pillow's name of the file's format; empty where there was none
    turned: bool = False  # the file's EXIF orientation was not upright, as the pixels are

    def repaired(self, pixels: Uint8, hole: Bool) -> "Picture":
        """Return the picture with other pixels (H, W, 3) where the hole (H, W) is True."""
        if self.grey:
            grey = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
            pixels = np.where(hole[..., None], grey, self.pixels)
        deep = None
        if self.deep is not None:
            deep, colours = self.deep.copy(), 1 if self.grey else 3
            deep[hole, :colours] = pixels[hole][:, :colours].astype(np.uint16) * SCALE
        return dataclasses.replace(self, pixels=pixels, deep=deep)


def load_image(path: Source) -> Picture:
    """Read an image file or its bytes, upright, as 8-bit RGB; 16-bit PNG and TIFF keep all bits."""
    file = decode(path)
    if file.deep and file.levels is None:
        raise _refused(path, file.unread)
    return picture_of(file, path)


def picture_of(file: Decoded, name: Source) -> Picture:
    """Return a decoded image of at most 16 bits a channel; ContractError if RGB cannot hold it."""
    metadata = file.metadata
    if file.image.mode == "CMYK":
        notify(logger, "cmyk", "%s is CMYK: it becomes RGB, without colour management", name)
        metadata = dataclasses.replace(metadata, icc_profile=None)  # it describes inks
    array = _stored(file.image, name) if file.levels is None else eight_bits(file.levels)
    grey = array.shape[2] < 3
    return Picture(
        pixels=np.repeat(array[..., :1], 3, 2) if grey else np.ascontiguousarray(array[..., :3]),
        alpha=array[..., -1].copy() if array.shape[2] in (2, 4) else None,
        grey=grey,
        metadata=metadata,
        deep=file.levels,
        format=file.format,
        turned=file.turned,
    )


def _stored(image: Image.Image, name: Source) -> Uint8:
    """Return the channels of an image of 8 bits, (H, W, 1 to 4)."""
    if image.mode not in _READ_AS:
        raise _refused(name, image.mode)
    mode = _READ_AS[image.mode]
    if image.has_transparency_data and mode in ("L", "RGB"):
        mode += "A"
    return np.atleast_3d(np.asarray(image.convert(mode)))


def _refused(name: Source, kind: str) -> ContractError:
    return ContractError(
        "an image must be grey, RGB, palette or CMYK of 8 bits, or PNG or TIFF of 16; "
        f"{name} is {kind}\n"
        "Convert it first, for example: magick INPUT -colorspace sRGB -depth 8 OUTPUT.png"
    )


def output_format(path: Path) -> str:
    """Return Pillow's name of the format of a suffix; ContractError if it is not supported."""
    kind = OUTPUT_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ContractError(
            f"the suffix of an output must be one of {', '.join(OUTPUT_FORMATS)}; got "
            f"{path.suffix or 'none'!r} in {path}"
        )
    return kind


def save_image(picture: Picture, path: Path, *, quality: int = QUALITY) -> None:
    """Write a picture in the format of the suffix, whole or not at all; see ``repair_file``."""
    output_format(path)  # fails before a file is created
    with atomic_write(path) as temporary, _failures_as_errors(path):
        temporary.write_bytes(encode_image(picture, path, quality=quality))


def encode_image(picture: Picture, path: Path, *, quality: int = QUALITY) -> bytes:
    """Return the bytes of the file that ``save_image`` writes."""
    kind = output_format(path)
    if lost := picture.metadata.lost_colours(kind):
        text = "%s cannot keep %s: colours may look different%s"
        more = "" if kind == "PNG" else ". A .png keeps more"
        notify(logger, "colours", text, path, " and ".join(lost), more)
    if picture.deep is not None and kind not in DEEP_FORMATS:
        text = "%s has 8 bits a channel; .png and .tif keep the 16 of the input"
        notify(logger, "depth", text, path)
    with _failures_as_errors(path):
        return _encode(picture, kind, path, quality)


@contextlib.contextmanager
def _failures_as_errors(path: Path) -> Iterator[None]:
    """Turn exceptions of encoders and of the system into errors about one output."""
    try:
        yield
    except CsakitError:
        raise
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        if problem := failure(error, f"write {path}"):
            raise problem from error
        remedy = "" if output_format(path) == "PNG" else "\nTry a .png output."  # its limits
        raise ContractError(f"cannot write {path}: {error}{remedy}") from error


def _encode(picture: Picture, kind: str, path: Path, quality: int) -> bytes:
    """Encode in memory: encoders report a full disk badly, and libtiff prints."""
    arguments: dict[str, Any] = picture.metadata.save_arguments(kind)
    if kind in ("JPEG", "WEBP"):
        arguments["quality"] = quality
    if kind == "JPEG":
        arguments["subsampling"] = 0  # colour at full resolution, to stay close to the input
    if kind == "WEBP":
        arguments["exact"] = True  # keep the colours of transparent pixels
    if kind == "TIFF" and "exif" not in arguments:  # Pillow's compressor cannot write EXIF tables
        arguments["compression"] = "tiff_adobe_deflate"  # lossless
    if picture.deep is not None and kind in DEEP_FORMATS:
        return encode_deep(picture.deep, kind, arguments)
    image = _assemble(picture, kind, path)
    if kind == "PNG":
        arguments["compress_type"] = _png_strategy(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **arguments)
    return buffer.getvalue()


def _png_strategy(image: Image.Image) -> int:
    """Return the compression strategy for PNG, chosen on a band of rows in the middle."""
    # Run-length coding takes a quarter of the time and is as small for photographs (0.97 to 1.05
    # of the size); drawings and text would become several times as large.
    width, height = image.size
    if height < 4 * _BAND_ROWS:
        return zlib.Z_DEFAULT_STRATEGY
    top = (height - _BAND_ROWS) // 2
    band = image.crop((0, top, width, top + _BAND_ROWS))
    sizes = []
    for strategy in (zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY):
        buffer = io.BytesIO()
        band.save(buffer, "PNG", compress_type=strategy)
        sizes.append(buffer.tell())
    return zlib.Z_RLE if sizes[0] <= _RUNS_MAX * sizes[1] else zlib.Z_DEFAULT_STRATEGY


def pillow_image(picture: Picture) -> Image.Image:
    """Return the 8-bit pixels of a picture as a Pillow image: L, LA, RGB or RGBA."""
    image = Image.fromarray(picture.pixels)
    if picture.grey:
        image = image.convert("L")  # exact where the channels are equal, as known pixels are
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image


def _assemble(picture: Picture, kind: str, path: Path) -> Image.Image:
    """Return the Pillow image of a picture, in the closest mode the format has."""
    if picture.alpha is not None and kind in _WITHOUT_ALPHA:
        if picture.alpha.min() < 255:
            raise ContractError(
                f"{kind} has no alpha channel, and the input is not opaque; got {path}\n"
                "Write to .png, .webp or .tif instead."
            )
        picture = dataclasses.replace(picture, alpha=None)
    return pillow_image(picture)
