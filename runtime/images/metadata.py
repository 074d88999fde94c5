"""Metadata of image files: EXIF, XMP, profiles and texts, carried over to the repaired file.

Not carried over are data that could show what was removed (thumbnails, previews, maker notes of
unknown layout), the orientation, which is applied, and pointers into the old file.
"""

import contextlib
import dataclasses
import logging
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree

from PIL import ExifTags, Image, PngImagePlugin

from ..files.failures import failure
from ..notices import notify
from .embedded import holds_picture, profile_holds_picture
from .source import Source

logger = logging.getLogger(__name__)

_XMP_KEY: Final = "XML:com.adobe.xmp"  # the PNG text that holds XMP
_RAW_PROFILE: Final = "Raw profile type "  # PNG texts of ImageMagick: hexadecimal blocks of JPEG
_PROFILES: Final = {"exif": "exif", "xmp": "xmp", "icc": "icc_profile", "icm": "icc_profile"}
_SIDES: Final = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)

# The tags of the main table that describe the picture. Others describe the storage of pixels, are
# private, or hold data of other programs, some with a preview.
_MAIN_TAGS: Final = frozenset(
    getattr(ExifTags.Base, name)
    for name in (
        *("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright"),
        *("HostComputer", "DocumentName", "PageName", "XResolution", "YResolution"),
        *("ResolutionUnit", "WhitePoint", "PrimaryChromaticities", "Rating", "RatingPercent"),
        *("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject"),
    )
)
# For TIFF, Pillow writes the resolution itself.
_TIFF_TAGS: Final = _MAIN_TAGS - {
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
}
_DROPPED_DETAILS: Final = frozenset(
    (
        ExifTags.Base.MakerNote,
        ExifTags.IFD.Interop,  # restored with its table
        0xEA1C,  # padding, of Microsoft
        0xEA1D,  # offset of the maker note
    )
)
_TEXT_TAGS: Final = frozenset((ExifTags.Base.UserComment, *range(0x9C9B, 0x9CA0)))
_LONGEST: Final = 1024  # numbers of unknown meaning; a picture needs more

_XMP_DROPPED: Final = (  # elements and attributes by local name; prefixes vary
    "Thumbnails|Orientation|PixelXDimension|PixelYDimension|ImageWidth|ImageLength|"
    "HasExtendedXMP|MicroVideo\\w*|MotionPhoto\\w*|Directory"
)
_XMP_PROPERTIES: Final = re.compile(
    rf"<([\w.-]+:(?:{_XMP_DROPPED}))\b[^>]*?(?:/>|>.*?</\1\s*>)"
    rf"|\s[\w.-]+:(?:{_XMP_DROPPED})\s*=\s*(?:\"[^\"]*\"|'[^']*')",
    re.DOTALL,
)

# Chunks of PNG that define colours, and their values for sRGB.
COLOUR_CHUNKS: Final = (b"cICP", b"sRGB", b"gAMA", b"cHRM")
_BRIGHTNESS_CHUNKS: Final = (b"mDCV", b"cLLI")  # of high dynamic range; Pillow does not write them
_SRGB_GAMMA: Final = 45455
_SRGB_CHROMATICITIES: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_SRGB_CODE: Final = bytes((1, 13, 0, 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metadata:
    """The metadata of an image file; None for what it lacks."""

    exif: bytes | None = None  # serialized
    icc_profile: bytes | None = None  # serialized
    colours: Mapping[bytes, bytes] = dataclasses.field(default_factory=dict)  # PNG chunks
    dpi: tuple[float, float] | None = None  # dots per inch, horizontal and vertical
    comment: bytes | None = None  # of a JPEG file
    xmp: bytes | None = None  # serialized
    text: Mapping[str, str] = dataclasses.field(default_factory=dict)  # chunks of a PNG file

    def save_arguments(self, kind: str) -> dict[str, Any]:
        """Return the arguments of Pillow's ``save`` that store this in a format."""
        arguments: dict[str, Any] = {"dpi": self.dpi}
        if kind != "BMP":
            arguments |= {"exif": self.exif, "icc_profile": self.icc_profile}
        if kind in ("JPEG", "WEBP"):
            arguments |= {"comment": self.comment, "xmp": self.xmp}
        if kind == "PNG":
            chunks = PngImagePlugin.PngInfo()
            for name, data in self.colours.items():
                chunks.add(name, data)
            for key, value in self.text.items():
                chunks.add_text(key, value)
            if self.xmp:
                chunks.add_itxt(_XMP_KEY, self.xmp.decode("utf-8", "replace"))
            arguments["pnginfo"] = chunks
        return {name: value for name, value in arguments.items() if value is not None}

    def lost_colours(self, kind: str) -> tuple[str, ...]:
        """Return the colour information other than sRGB that a format cannot store."""
        bright = (name.decode() for name in _BRIGHTNESS_CHUNKS if name in self.colours)
        profile = ("ICC profile",) if kind == "BMP" and self.icc_profile else ()
        return (*profile, *(() if kind == "PNG" else self._other_colours()), *bright)

    def _other_colours(self) -> tuple[str, ...]:
        """Return the chunks that define colours other than sRGB and those of the profile."""
        code = self.colours.get(b"cICP")
        if code is not None and code != _SRGB_CODE:
            return ("cICP",)
        if self.icc_profile or code or b"sRGB" in self.colours:
            return ()
        gamma = self.colours.get(b"gAMA", struct.pack(">I", _SRGB_GAMMA))
        other = [] if abs(int.from_bytes(gamma, "big") - _SRGB_GAMMA) < 100 else ["gAMA"]
        primaries = self.colours.get(b"cHRM", struct.pack(">8I", *_SRGB_CHROMATICITIES))
        if len(primaries) == 32 and any(
            abs(a - b) > 100
            for a, b in zip(struct.unpack(">8I", primaries), _SRGB_CHROMATICITIES, strict=True)
        ):
            other.append("cHRM")
        return tuple(other)


def read_metadata(path: Source, file: Image.Image, size: tuple[int, int]) -> Metadata:
    """Collect the metadata of a loaded file; ``size`` is (W, H) of the upright image."""
    text = getattr(file, "text", {})
    xmp = file.info.get("xmp") or text.get(_XMP_KEY)
    comment = file.info.get("comment")
    return Metadata(
        exif=_exif(path, file, size),
        icc_profile=_profile(path, file.info.get("icc_profile")),
        colours=_colour_chunks(path) if file.format == "PNG" else {},
        dpi=_dpi(file.info.get("dpi")),
        comment=comment if isinstance(comment, bytes) and not holds_picture(comment) else None,
        xmp=clean_xmp(path, xmp.encode() if isinstance(xmp, str) else xmp),
        text={
            key: value
            for key, value in text.items()
            if not key.startswith(_RAW_PROFILE)
            and key != _XMP_KEY
            and not _drops_picture(path, key, value)
        },
    )


def adopt_raw_profiles(file: Image.Image) -> None:
    """Adopt the EXIF, XMP and ICC data that a PNG file stores as texts."""
    for key in [key for key in getattr(file, "text", {}) if key.startswith(_RAW_PROFILE)]:
        kind, data = key.removeprefix(_RAW_PROFILE).lower(), _raw_profile(file.info.pop(key))
        if data and kind == "app1":
            kind = "exif" if data.startswith(b"Exif\0\0") else "xmp"
            data = data.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
        if data and (name := _PROFILES.get(kind)):
            file.info.setdefault(name, data)


def _drops_picture(path: Source, key: str, value: str) -> bool:
    """Report whether a text may hold a picture, and log that it is dropped."""
    if found := holds_picture(f"{value}\n{getattr(value, 'tkey', '')}"):  # iTXt has two keys
        notify(logger, "metadata", "%s: its text %r may hold a picture, and is dropped", path, key)
    return found


def _profile(path: Source, profile: bytes | None) -> bytes | None:
    """Return a colour profile, unless it holds a picture."""
    if profile and profile_holds_picture(profile):
        text = "%s: its colour profile holds a picture, and is dropped: colours may look different"
        notify(logger, "metadata", text, path)
        return None
    return profile or None


def _raw_profile(text: str) -> bytes | None:
    """Decode lines of kind, length and hexadecimal digits; None for other texts."""
    with contextlib.suppress(ValueError):
        return bytes.fromhex("".join(text.split("\n")[3:])) or None
    return None


def clean_xmp(path: Source, xmp: bytes | None) -> bytes | None:
    """Remove from XMP what is not carried over; drop all of it if a picture may remain."""
    if not xmp or not isinstance(xmp, bytes):
        return None
    try:
        text = xmp.decode("utf-8").strip("\0")
        ElementTree.fromstring(text)  # unclosed elements would make the search slow
        cleaned = _XMP_PROPERTIES.sub("", text)
        ElementTree.fromstring(cleaned)
    except (UnicodeDecodeError, ElementTree.ParseError):
        notify(logger, "metadata", "%s: its XMP data cannot be read and is dropped", path)
        return None
    if holds_picture(cleaned):
        notify(logger, "metadata", "%s: its XMP data may hold a picture, and is dropped", path)
        return None
    return cleaned.encode()


def _exif(path: Source, file: Image.Image, size: tuple[int, int]) -> bytes | None:
    """Serialize the EXIF data anew; None if it is absent or cannot be read."""
    try:
        found, kept = file.getexif(), Image.Exif()
        tags = _TIFF_TAGS if file.format == "TIFF" else _MAIN_TAGS
        for tag in tags & found.keys():
            if _is_kept(tag, found[tag]):
                kept[tag] = found[tag]
        sides: dict[int, int] = dict(zip(_SIDES, size, strict=True))
        details = _table(found, ExifTags.IFD.Exif)
        # Pillow warns when an absent table is requested.
        if ExifTags.IFD.Interop in found.get_ifd(ExifTags.IFD.Exif):
            details[ExifTags.IFD.Interop] = _table(found, ExifTags.IFD.Interop)
        details |= {tag: sides[tag] for tag in details.keys() & sides.keys()}
        for table, entries in (
            (ExifTags.IFD.Exif, details),
            (ExifTags.IFD.GPSInfo, _table(found, ExifTags.IFD.GPSInfo)),
        ):
            if entries:
                kept[table] = entries
        return kept.tobytes() if len(kept) else None
    except Exception as error:  # the parser raises any exception on broken data
        if problem := failure(error, f"read the EXIF data of {path}"):
            raise problem from error
        text = "%s: its EXIF data cannot be read and is dropped (%s)"
        notify(logger, "metadata", text, path, error)
        return None


def _table(found: Image.Exif, table: int) -> dict[int, Any]:
    """Return the entries of a sub-table that may stay."""
    return {
        tag: value
        for tag, value in dict(found.get_ifd(table)).items()
        if tag not in _DROPPED_DETAILS and not isinstance(value, dict) and _is_kept(tag, value)
    }


def _is_kept(tag: int, value: Any) -> bool:  # noqa: ANN401
    """Report whether a value of EXIF cannot hold a picture."""
    if isinstance(value, bytes | tuple) and len(value) > _LONGEST and tag not in _TEXT_TAGS:
        return False
    return not (isinstance(value, bytes | str) and holds_picture(value))


def _colour_chunks(path: Source) -> dict[bytes, bytes]:
    """Read the chunks of a PNG file that define its colours; the last of each counts."""
    found = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            (length,), name = struct.unpack(">I", head[:4]), head[4:]
            if name in (b"IDAT", b"IEND"):
                break
            if name in (*COLOUR_CHUNKS, *_BRIGHTNESS_CHUNKS) and length <= 32:
                found[name] = file.read(length)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return found


def _dpi(stated: Any) -> tuple[float, float] | None:  # noqa: ANN401
    """Return a resolution that can be stored; files may hold 0, NaN or infinity."""
    try:
        across, down = (float(value) for value in stated)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(x) and x > 0 for x in (across, down)) else None
