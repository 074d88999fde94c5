"""Open image files upright and bounded in size; refuse broken ones with the reason."""

import contextlib
import dataclasses
import importlib
import logging
import re
import threading
import warnings
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import (
    Image,
    ImageFile,
    ImageOps,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)

from ...plugins.errors import ContractError, CsakitError
from ..files.failures import failure, is_file, named, stand_in
from ..notices import notify
from .deep import GREY_ALPHA_TIFFS, Uint16, bits_per_channel, read_levels, unread_layout
from .metadata import Metadata, adopt_raw_profiles, read_metadata
from .source import Source, pillow_file

logger = logging.getLogger(__name__)

# Formats that Pillow reads without starting another program (as it does for EPS).
FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM")
INPUT_SUFFIXES: Final = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff"),
        *(".bmp", ".dib", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"),
        *(".heic", ".heif", ".hif", ".avif"),
    )
)
# Formats that Pillow reads through a plugin: the plugin's modules, and the command to install it.
_PLUGINS: Final = MappingProxyType(
    {
        "HEIF": (("pillow_heif",), "pip install pillow-heif"),
        "AVIF": (("PIL.AvifImagePlugin", "pillow_avif"), "pip install pillow-avif-plugin"),
    }
)
# Unsupported image formats, by suffix and by content.
OTHER_SUFFIXES: Final = frozenset(
    (
        *(".jxl", ".jp2", ".j2k", ".jpf", ".psd", ".psb", ".xcf", ".kra", ".svg", ".pdf", ".eps"),
        *(".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef"),
        *(".tga", ".ico", ".pcx", ".qoi", ".pam", ".pfm", ".jxr", ".dds"),
    )
)
_SIGNATURES: Final = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"RIFF....WEBP", "WebP"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"P[1-6]\\s", "PPM"),
)
_OTHER_SIGNATURES: Final = (
    (b"8BPS", "a Photoshop file"),
    (b"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"%PDF", "a PDF file"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "an SVG file"),
    (b"v/1\x01", "an OpenEXR file"),
    (b"gimp xcf", "a GIMP file"),
    (b"\0\0\x01\0", "an icon file"),
    (b"P7\n|P[Ff]\n", "a PAM or PFM file"),
)
_BRANDS: Final = re.compile(rb"....ftyp(avi[fs]|hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL)
_LIMITS: Final = re.compile(
    r"unsupported|not supported|not (?:yet )?implemented|not available|cannot handle|unknown "
    r"(?:pixel|compression|data)|don't know how",
    re.IGNORECASE,
)

# So that a few copies of 3 bytes a pixel stay near 1 GB. The largest phone cameras in wide use
# have 108 million.
MAX_PIXELS: Final = 120_000_000

_MANY_PICTURES: Final = "MPO"  # a JPEG photograph followed by previews; the first is the photograph
_HEAD_BYTES: Final = 4096  # enough for every signature, and for the boxes of HEIF

# Pillow allows all texts of a file together so much; one of them may be all.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


class _WhileDecoding:
    """Suppress Python warnings and extend Pillow's TIFF layouts while any thread decodes.

    Pillow warns of large images and odd metadata; both are judged here. ``catch_warnings`` alone
    restores the filters of another thread when calls overlap.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
                TiffImagePlugin.OPEN_INFO.update(GREY_ALPHA_TIFFS)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._caught.__exit__(None, None, None)
                for layout in GREY_ALPHA_TIFFS:
                    TiffImagePlugin.OPEN_INFO.pop(layout, None)


_WHILE_DECODING: Final = _WhileDecoding()
_CONVERT: Final = "Convert it first, for example: magick INPUT -depth 8 OUTPUT.png"
_SMALLER: Final = "Cut out the part to repair, or scale the image down."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image file in memory."""

    image: Image.Image  # upright, in the mode of the file
    format: str = ""  # Pillow's name of the file format
    deep: bool = False  # the file has more than 8 bits a channel, even where the mode hides it
    turned: bool = False  # the file's EXIF orientation was not upright
    levels: Uint16 | None = None  # (H, W, C), upright, all bits of a 16-bit PNG or TIFF
    unread: str = ""  # why a deep file has no levels
    metadata: Metadata = dataclasses.field(default_factory=Metadata)  # EXIF, profile, XMP


def decode(path: Source, *, least_side: int | None = None, what: str = "an image") -> Decoded:
    """Read an image file upright, its first frame; ``least_side`` allows a reduced JPEG.

    Raises:
        ContractError: the file is absent, not an image, not supported, damaged, or too large.
        ResourceError: there is too little memory.
    """
    if isinstance(path, Path) and not is_file(path):
        raise ContractError(f"{what} must be an existing file; got {named(path)}")
    head = b""
    try:
        with path.open("rb") as raw:
            head = raw.read(_HEAD_BYTES)
        plugins = _plugin(path, head)
        with _WHILE_DECODING, Image.open(pillow_file(path), formats=[*FORMATS, *plugins]) as file:
            return _load(path, file, head, least_side)
    except CsakitError:
        raise
    except Image.DecompressionBombError as error:
        raise ContractError(
            f"an image must have at most {MAX_PIXELS:,} pixels; {path} has far more\n{_SMALLER}"
        ) from error
    except UnidentifiedImageError as error:
        raise _not_read(path, head) from error
    except Exception as error:  # decoders raise any exception on broken files
        raise failure(error, f"read {path}") or _broken(path, head, error) from error


def _plugin(path: Source, head: bytes) -> list[str]:
    """Load the Pillow plugin that a file needs; return the plugin's formats."""
    if (brand := _BRANDS.match(head)) is None:
        return []
    name = "AVIF" if brand[1].startswith(b"avi") or b"av01" in head else "HEIF"
    modules, command = _PLUGINS[name]
    for module in modules:
        with contextlib.suppress(ImportError):
            plugin = importlib.import_module(module)
            if name == "HEIF":
                plugin.register_heif_opener()
            if name in Image.OPEN:
                return [name]
    raise ContractError(
        f"{path} is {'an AVIF' if name == 'AVIF' else 'a HEIC'} file, which Pillow reads with a "
        f"plugin only\nInstall it: {command}"
    )


def _load(path: Source, file: ImageFile.ImageFile, head: bytes, least_side: int | None) -> Decoded:
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise ContractError(
            f"an image must have at most {MAX_PIXELS:,} pixels; {path} has {width} x {height}\n"
            f"{_SMALLER}"
        )
    deep = bits_per_channel(path, file) > 8
    kind = file.format or ""
    frames = getattr(file, "n_frames", 1)
    if least_side is not None:
        file.draft(None, (least_side, least_side))  # only JPEG can be decoded at reduced size
    file.load()
    adopt_raw_profiles(file)
    levels = read_levels(path, file) if deep else None
    unread = unread_layout(file) if deep and levels is None else ""
    upright, levels, turned = _upright(path, file, levels)
    if frames > 1 and kind != _MANY_PICTURES:
        notify(logger, "frames", "%s has %d frames; only the first is used", path, frames)
    if kind in _PLUGINS and (bits := _heif_bits(head)) > 8:
        notify(logger, "depth", "%s has %d bits a channel; it is read with 8", path, bits)
    metadata = read_metadata(path, file, upright.size)
    return Decoded(
        image=upright,
        format=kind,
        deep=deep,
        turned=turned,
        levels=levels,
        unread=unread,
        metadata=metadata,
    )


def _upright(
    path: Source, file: ImageFile.ImageFile, levels: Uint16 | None
) -> tuple[Image.Image, Uint16 | None, bool]:
    try:
        orientation = file.getexif().get(0x0112, 1)
        upright = ImageOps.exif_transpose(file)
    except Exception as error:  # the parser raises any exception on broken data
        if problem := failure(error, f"read {path}"):
            raise problem from error
        text = "%s: its EXIF data cannot be read and is dropped (%s)"
        notify(logger, "metadata", text, path, error)
        return file.copy(), levels, False
    turned = orientation in range(2, 9)
    if levels is not None and turned:
        swapped = levels.swapaxes(0, 1) if orientation > 4 else levels
        rows = -1 if orientation in (3, 4, 7, 8) else 1
        columns = -1 if orientation in (2, 3, 6, 7) else 1
        levels = np.ascontiguousarray(swapped[::rows, ::columns])
    return upright, levels, turned


def _heif_bits(head: bytes) -> int:
    """Return the bits a channel that the box "pixi" of a HEIF file states; 8 without one."""
    at = head.find(b"pixi")
    return head[at + 9] if 0 <= at < len(head) - 9 and head[at + 8] else 8


def _kind(head: bytes, signatures: tuple[tuple[bytes, str], ...]) -> str | None:
    return next((name for sign, name in signatures if re.match(sign, head, re.DOTALL)), None)


def _not_read(path: Source, head: bytes) -> ContractError:
    if problem := stand_in(path, head):
        return problem
    if kind := _kind(head, _SIGNATURES):
        return ContractError(
            f"{path} begins as a {kind} file, but is damaged or of an unsupported kind\n{_CONVERT}"
        )
    if other := _kind(head, _OTHER_SIGNATURES):
        return ContractError(
            f"an image must be of the formats {', '.join(FORMATS)}; {path} is {other}\n{_CONVERT}"
        )
    return ContractError(
        f"{path} must be an image of the formats {', '.join(FORMATS)}; its content is not"
    )


def _broken(path: Source, head: bytes, error: Exception) -> ContractError:
    text = str(error) or type(error).__name__
    if "MAX_TEXT" in text:
        return ContractError(
            f"{path} holds more than {PngImagePlugin.MAX_TEXT_MEMORY >> 20} MB of text beside its "
            "pixels\nRemove it, for example: exiftool -all= FILE"
        )
    if _LIMITS.search(text):
        kind = _kind(head, _SIGNATURES) or "file"
        return ContractError(f"{path} is an unsupported kind of {kind}: {text}\n{_CONVERT}")
    return ContractError(f"{path} is corrupt or truncated: {text}\nCopy it again.")
