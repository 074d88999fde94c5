"""Read and write PNG and TIFF of 16 bits a channel, of which Pillow keeps 8 in colour images.

Letters: C channels (grey, grey and alpha, RGB, RGBA).
"""

import io
import struct
import sys
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from ..tensors.pixels import Uint8
from .source import Source, pillow_file

Uint16 = npt.NDArray[np.uint16]

DEEP_FORMATS: Final = ("PNG", "TIFF")
SCALE: Final = 257  # 65535 / 255
_BITS: Final = 16
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_GREY: Final = ("I;16", "I;16B", "I;16L", "I;16N")
_OTHER_END: Final = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
# Tags of TIFF.
_WIDTH, _BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES = 256, 258, 262, 284
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339
_SIGNED: Final = 2
_BLACK_IS_ZERO: Final = 1
_IGNORED, _MULTIPLIED, _ALPHA = 0, 1, 2  # meanings of an extra sample
# Pillow does not know 16-bit grey and alpha in TIFF: four bytes a pixel, as RGBA has.
GREY_ALPHA_TIFFS: Final[dict[Any, tuple[str, str]]] = {
    key: ("RGBA", "RGBA")
    for end in (TiffImagePlugin.II, TiffImagePlugin.MM)
    for extra in (_IGNORED, _ALPHA)
    if (key := (end, _BLACK_IS_ZERO, (1,), 1, (_BITS, _BITS), (extra,)))
    not in TiffImagePlugin.OPEN_INFO
}
_PNG_DEPTH_AT: Final = 24
_PNG_COLOUR: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type
_UP: Final = 2  # the PNG filter that subtracts the row above; the same for 8 and 16 bits


def eight_bits(levels: Uint16) -> Uint8:
    """Round 16-bit levels to 8 bits."""
    rounded: Uint8 = ((levels + np.uint32(SCALE // 2)) // SCALE).astype(np.uint8)
    return rounded


def bits_per_channel(path: Source, file: ImageFile.ImageFile) -> int:
    """Return the bits a channel of a file, whatever Pillow's mode."""
    if file.format == "PNG":
        with path.open("rb") as raw:
            return raw.read(_PNG_DEPTH_AT + 1)[_PNG_DEPTH_AT]
    if file.format == "TIFF":
        return int(max(_tags(file).get(_BITS_PER_SAMPLE, (1,))))
    if file.format == "PPM":  # the decoder scales to the largest number that the file states
        maximum = next((one for one in _arguments(file) if type(one) is int), 255)
        return 8 if maximum <= 255 and file.mode not in ("I", "F") else _BITS
    return 32 if file.mode.startswith(("I", "F")) else 8


def read_levels(path: Source, file: ImageFile.ImageFile) -> Uint16 | None:
    """Return all bits (H, W, C) of a loaded 16-bit PNG or TIFF, as stored; None if unsupported.

    A TIFF of ``GREY_ALPHA_TIFFS`` also gets the pixels of its mode.
    """
    if file.format not in DEEP_FORMATS or bits_per_channel(path, file) != _BITS:
        return None
    tags = _tags(file)
    if tags.get(_PLANES, 1) != 1:
        return None
    if tags and file.mode == "RGBA" and len(tags[_BITS_PER_SAMPLE]) == 2:
        return _grey_and_alpha(file, tags)
    if file.mode in _GREY:
        grey: Uint16 = np.asarray(file).astype(np.uint16)[..., None]
        levels: Uint16 = 65535 - grey if file.format == "TIFF" and tags[_PHOTOMETRIC] == 0 else grey
        return _with_key(levels, file.info.get("transparency"))
    with Image.open(pillow_file(path), formats=[file.format]) as again:
        raw = next((one for one in _arguments(again) if isinstance(one, str)), "")
        if raw == "LA;16B":  # two bytes of grey and two of alpha are four channels of a byte
            _read_as(again, "RGBA")
            both = np.asarray(again).astype(np.uint16)
            levels = np.left_shift(both[..., ::2], np.uint16(8)) | both[..., 1::2]
            return levels
        name, _, end = raw.partition(";16")
        if name not in ("RGB", "RGBA", "RGBX") or end not in _OTHER_END:
            return None
        _read_as(again, f"{name};16{_OTHER_END[end]}")
        low = np.asarray(again)  # Pillow reads the first byte of each number: now the other one
        levels = np.asarray(file).astype(np.uint16) << 8 | low
    return _with_key(levels, file.info.get("transparency"))


def unread_layout(file: ImageFile.ImageFile) -> str:
    """Return why the levels of a file of more than 8 bits a channel cannot be read."""
    tags = _tags(file)
    if tags.get(_PLANES, 1) != 1:
        return "of more than 8 bits a channel, in separate planes"
    if _MULTIPLIED in tags.get(_EXTRA_SAMPLES, ()):
        return "of more than 8 bits a channel, multiplied by its alpha channel"
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        return "of more than 8 bits a channel, in signed numbers"
    return f"of more than 8 bits a channel ({file.mode})"


def encode_deep(levels: Uint16, kind: str, arguments: dict[str, Any]) -> bytes:
    """Encode 16-bit levels (H, W, C) as "PNG" or "TIFF" with Pillow's arguments of ``save``."""
    levels = np.ascontiguousarray(levels)
    return (_encode_png if kind == "PNG" else _encode_tiff)(levels, arguments)


def _tags(file: ImageFile.ImageFile) -> Any:  # noqa: ANN401
    return getattr(file, "tag_v2", {})


def _arguments(file: ImageFile.ImageFile) -> tuple[Any, ...]:
    """Return the arguments of the first tile's decoder."""
    arguments = file.tile[0][3] if file.tile else ()
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _grey_and_alpha(file: ImageFile.ImageFile, tags: Any) -> Uint16:  # noqa: ANN401
    """Return grey and alpha of a TIFF that was loaded as RGBA, and correct its pixels."""
    as_stored = file.info.get("compression") == "raw"  # libtiff swaps the bytes
    end = ">" if as_stored and tags.prefix == TiffImagePlugin.MM else "<" if as_stored else "="
    levels: Uint16 = np.asarray(file).view(f"{end}u2").astype(np.uint16)
    if tags[_EXTRA_SAMPLES] != (_ALPHA,):
        levels[..., 1] = 65535
    file.paste(Image.fromarray(eight_bits(levels)[..., [0, 0, 0, 1]]))
    return levels if tags[_EXTRA_SAMPLES] == (_ALPHA,) else levels[..., :1]


def _read_as(file: ImageFile.ImageFile, raw: str) -> None:
    """Load an opened file with another layout of its bytes."""
    tiles: list[Any] = []
    for tile in file.tile:
        arguments = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        items = (*tile[:3], arguments)
        tiles.append(items if type(tile) is tuple else type(tile)(*items))
    file.tile = tiles
    file.load()


def _with_key(levels: Uint16, key: object) -> Uint16:
    """Add an alpha channel that is 0 at the transparent colour of a PNG file."""
    if not isinstance(key, int | tuple):
        return levels
    clear = (levels == np.asarray(key)).all(axis=-1)
    alpha = np.where(clear, np.uint16(0), np.uint16(65535))
    return np.dstack([levels, alpha])


def _encode_png(levels: Uint16, arguments: dict[str, Any]) -> bytes:
    """Encode a picture of one pixel with Pillow, for its chunks, and replace the pixel data."""
    height, width, channels = levels.shape
    buffer = io.BytesIO()
    Image.new(_MODES[channels], (1, 1)).save(buffer, "PNG", **arguments)
    rows = levels.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    data, chunks, at = buffer.getvalue(), [buffer.getvalue()[:8]], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if name == b"IHDR":
            head = struct.pack(">IIBB", width, height, _BITS, _PNG_COLOUR[channels])
            content = head + content[len(head) :]
        elif name == b"IDAT":
            content = zlib.compress(filtered.tobytes())
        chunks += [struct.pack(">I", len(content)), name, content]
        chunks.append(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
        at += length + 12
    return b"".join(chunks)


def _encode_tiff(levels: Uint16, arguments: dict[str, Any]) -> bytes:
    """Encode the bytes as a picture of 8 bits and twice the width, and correct its tags."""
    height, width, channels = levels.shape
    end = "<" if sys.byteorder == "little" else ">"
    halves = levels.astype(f"{end}u2").view(np.uint8).reshape(height, 2 * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(halves[..., 0] if channels == 1 else halves, _MODES[channels]).save(
        buffer, "TIFF", **arguments
    )
    data = bytearray(buffer.getvalue())
    (table,) = struct.unpack_from(f"{end}I", data, 4)
    (entries,) = struct.unpack_from(f"{end}H", data, table)
    for at in range(table + 2, table + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(f"{end}HHI", data, at)
        if tag == _WIDTH:
            struct.pack_into(f"{end}{'H' if kind == 3 else 'I'}", data, at + 8, width)
        if tag == _BITS_PER_SAMPLE:
            place = at + 8 if count <= 2 else struct.unpack_from(f"{end}I", data, at + 8)[0]
            struct.pack_into(f"{end}{count}H", data, place, *[_BITS] * count)
    return bytes(data)
