"""What an image file says beside its pixels, carried over to the repaired one.

Kept: EXIF (without its orientation, which is applied, and without its thumbnail, which would
show what was removed), ICC profile, resolution, comments and text. Each file format stores the
part that it can.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from PIL import ExifTags, Image, PngImagePlugin

logger = logging.getLogger(__name__)

_XMP_KEYS: Final = ("xmp", "XML:com.adobe.xmp")
_SUB_TABLES: Final = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_SIDES: Final = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)

# In a TIFF file the EXIF table is also the table of how its pixels are stored; only these tell
# about the picture.
_TIFF_TAGS: Final = frozenset(
    (
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.Copyright,
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metadata:
    """What an image file says beside its pixels. None where it says nothing.

    Attributes:
        exif: serialized.
        icc_profile: what its colours mean.
        dpi: dots per inch, horizontal and vertical.
        comment: of a JPEG file.
        xmp: serialized.
        text: chunks of a PNG file.
    """

    exif: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    xmp: bytes | None = None
    text: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def save_arguments(self, kind: str) -> dict[str, Any]:
        """Give the arguments of Pillow's ``save`` that store this.

        Args:
            kind: Pillow's name of the file format; BMP stores the resolution only.

        Returns:
            Argument names and values.
        """
        arguments: dict[str, Any] = {"dpi": self.dpi}
        if kind != "BMP":
            arguments |= {"exif": self.exif, "icc_profile": self.icc_profile}
        if kind in ("JPEG", "WEBP"):
            arguments |= {"comment": self.comment, "xmp": self.xmp}
        if kind == "PNG" and self.text:
            chunks = PngImagePlugin.PngInfo()
            for key, value in self.text.items():
                chunks.add_text(key, value)
            arguments["pnginfo"] = chunks
        return {name: value for name, value in arguments.items() if value is not None}


def read_metadata(path: Path, file: Image.Image, upright: Image.Image) -> Metadata:
    """Collect what a file says.

    Args:
        path: of the file, for messages.
        file: as opened and loaded.
        upright: the same after the orientation was applied.

    Returns:
        The metadata of the upright image.
    """
    text = dict(getattr(file, "text", {}))
    text |= {key: upright.info[key] for key in _XMP_KEYS if key in text and key in upright.info}
    comment = file.info.get("comment")
    xmp = upright.info.get("xmp")
    return Metadata(
        exif=_exif(path, file, upright.size),
        icc_profile=file.info.get("icc_profile") or None,
        dpi=_dpi(file.info.get("dpi")),
        comment=comment if isinstance(comment, bytes) else None,
        xmp=xmp if isinstance(xmp, bytes) else None,
        text=text,
    )


def _exif(path: Path, file: Image.Image, size: tuple[int, int]) -> bytes | None:
    """Serialize the EXIF data anew; None if there is none, or none that can be read."""
    try:
        found, kept = file.getexif(), Image.Exif()
        for tag, value in found.items():
            if tag in _TIFF_TAGS if file.format == "TIFF" else tag not in _SUB_TABLES:
                kept[tag] = value
        kept.pop(ExifTags.Base.Orientation, None)
        sides: dict[int, int] = dict(zip(_SIDES, size, strict=True))
        for table in _SUB_TABLES:
            if entries := dict(found.get_ifd(table)):
                kept[table] = entries | {tag: sides[tag] for tag in entries.keys() & sides.keys()}
        return kept.tobytes() if len(kept) else None
    except Exception as error:  # the parser raises what it likes on broken data
        logger.warning("%s: its EXIF data cannot be read and is dropped (%s)", path, error)
        return None


def _dpi(stated: Any) -> tuple[float, float] | None:  # noqa: ANN401
    """Return a resolution that can be stored; files state 0, NaN and infinity too."""
    try:
        across, down = (float(value) for value in stated)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(x) and x > 0 for x in (across, down)) else None
