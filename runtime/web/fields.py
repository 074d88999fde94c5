"""Bodies of requests to named fields: forms, and the JSON of IOPaint's clients."""

import asyncio
import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ...plugins.errors import ContractError
from ..options import InpaintOptions, MaskOptions
from .problem import Problem, problem_of

FORMATS: Final = {  # of results: the suffix of each
    "same": "",
    "png": ".png",
    "jpeg": ".jpg",
    "webp": ".webp",
    "tiff": ".tif",
    "bmp": ".bmp",
}
QUALITY: Final = 95
_FILES: Final = 3
_FIELDS: Final = 24
_OPTION_BYTES: Final = 1024
_JSON_FIELDS: Final = ("image", "mask", "mime")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
_DATA_URL: Final = re.compile(r"data:[\w/+.-]*(?:;[\w=-]+)*,")
_OPTIONS: Final = (
    *("strategy", "margin", "blend", "texture", "max_side", "mask_channel", "mask_invert"),
    *("mask_threshold", "dilate", "format", "quality"),
)


class _MemoryParser(MultiPartParser):
    """Keeps files in memory: nothing of a picture is written to a disk."""

    spool_max_size = 1 << 40

    def close(self) -> None:
        """Close all files, also those of parts that never ended."""
        for file in self._files_to_close_on_error:
            file.close()


@dataclasses.dataclass
class Fields:
    """What a client sent."""

    files: dict[str, bytes]  # contents by name: image, mask, edits
    texts: dict[str, str]  # options by name
    filename: str = ""  # of the image, as the client calls it; empty if unknown
    ignored: tuple[str, ...] = ()  # names that were sent and are not used

    def file(self, name: str) -> bytes:
        """Return the content of a required field."""
        if not self.files.get(name):
            raise Problem(422, f"the field '{name}' is missing or empty\nSend it as a file.")
        return self.files[name]


async def read_fields(request: Request, known: tuple[str, ...], *, limit: int) -> Fields:
    """Read a form, or JSON as clients of IOPaint send it; ``limit`` is in bytes of one field."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, known, limit)
    if kind == "application/json" and "mask" in known:
        body = await request.body()
        return await asyncio.to_thread(_read_json, body)
    raise Problem(415, f"a body must be multipart/form-data; got {kind[:60] or 'no type'!r}")


async def _read_form(request: Request, known: tuple[str, ...], limit: int) -> Fields:
    parser = _MemoryParser(
        request.headers, request.stream(), max_files=_FILES, max_fields=_FIELDS, max_part_size=limit
    )
    try:
        return await _sorted_out(await parser.parse(), known)
    except MultiPartException as error:
        raise Problem(400, f"the form is malformed: {error.message}") from error
    except (KeyError, UnicodeError, ValueError) as error:
        raise Problem(400, "the form is malformed") from error
    finally:
        parser.close()


async def _sorted_out(form: FormData, known: tuple[str, ...]) -> Fields:
    """Return what a form holds; refuse names that are unknown or come twice."""
    fields = Fields({}, {})
    for name, value in form.multi_items():
        if name in fields.files or name in fields.texts:
            raise Problem(422, f"the field '{name}' came twice")
        if name in known and isinstance(value, UploadFile):
            fields.files[name] = await value.read()
            if name == "image":
                fields.filename = value.filename or ""
        elif name in known and isinstance(value, str):
            if name != "edits":
                raise Problem(422, f"the field '{name}' must be a file\nWith curl: -F {name}=@FILE")
            fields.files[name] = value.encode("utf-8", "replace")
        elif name in _OPTIONS and isinstance(value, str) and len(value) <= _OPTION_BYTES:
            fields.texts[name] = value
        else:
            allowed = ", ".join((*known, *_OPTIONS))
            raise Problem(422, f"a field must be one of {allowed}; got {name[:60]!r}")
    return fields


def _read_json(body: bytes) -> Fields:
    """Read the JSON body of IOPaint's API: pictures in base64, and fields that are not used."""
    try:
        values: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "the body is not JSON") from error
    if not isinstance(values, dict):
        raise Problem(422, "the body must be a JSON object with image and mask")
    files = {}
    for name in ("image", "mask"):
        text = values.get(name)
        if not isinstance(text, str):
            raise Problem(422, f"the field '{name}' is missing\nSend the file in base64.")
        if match := _DATA_URL.match(text[:200]):
            text = text[match.end() :]
        try:
            files[name] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Problem(422, f"the field '{name}' is not base64") from error
    ignored = sorted(name for name in values if name not in _JSON_FIELDS)
    return Fields(files, {}, ignored=tuple(n for n in ignored if re.fullmatch(r"\w{1,40}", n)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of one request."""

    inpaint: InpaintOptions  # how the image reaches the network
    mask: MaskOptions  # how the mask is read
    format: str = "same"  # one of ``FORMATS``
    quality: int = QUALITY  # 1 to 100, of JPEG and WebP


def read_wishes(texts: Mapping[str, str], defaults: Wishes) -> Wishes:
    """Return the options that a client sent, with the server's defaults for the others."""
    whole = {name: _whole(name, texts[name]) for name in _NUMBERS if name in texts}
    wanted = texts.get("format", defaults.format)
    if wanted not in FORMATS:
        raise Problem(422, f"format must be one of {', '.join(FORMATS)}; got {wanted[:40]!r}")
    quality = whole.get("quality", defaults.quality)
    if not 1 <= quality <= 100:
        raise Problem(422, f"quality must be 1 to 100; got {quality}")
    values: dict[str, Any] = {**texts, **whole}
    values |= {n: _truth(n, texts[n]) for n in ("mask_invert", "texture") if n in texts}
    inpaint = {
        name: values[name]
        for name in ("strategy", "margin", "blend", "texture", "max_side")
        if name in values
    }
    mask = {
        name.removeprefix("mask_"): values[name]
        for name in ("mask_channel", "mask_invert", "mask_threshold", "dilate")
        if name in values
    }
    try:
        return Wishes(
            inpaint=dataclasses.replace(defaults.inpaint, **inpaint),
            mask=dataclasses.replace(defaults.mask, **mask),
            format=wanted,
            quality=quality,
        )
    except ContractError as error:
        raise problem_of(error) from error


_NUMBERS: Final = ("margin", "max_side", "mask_threshold", "dilate", "quality")


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Problem(422, f"{name} must be a whole number; got {text[:40]!r}")
    return int(text)


def _truth(name: str, text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise Problem(422, f"{name} must be true or false; got {text[:40]!r}")
    return text.lower() in _TRUE
