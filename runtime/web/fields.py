"""Read the bodies of requests: forms, and the JSON of IOPaint's clients."""

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

FORMATS: Final = {  # of results, and their suffixes
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
_INPAINT: Final = tuple(field.name for field in dataclasses.fields(InpaintOptions))
_MASK: Final = {  # fields of MaskOptions by the names of the command line
    "mask_channel": "channel",
    "mask_invert": "invert",
    "mask_threshold": "threshold",
    "dilate": "dilate",
}
_OPTIONS: Final = (*_INPAINT, *_MASK, "format", "quality")
_NUMBERS: Final = ("margin", "max_side", "mask_threshold", "dilate", "quality")
_SWITCHES: Final = ("texture", "mask_invert")


class _MemoryParser(MultiPartParser):
    """A form parser that keeps files in memory: no part of a picture is written to a disk."""

    spool_max_size = 1 << 40

    def close(self) -> None:
        """Close all files, including those of unfinished parts."""
        for file in self._files_to_close_on_error:
            file.close()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """The options of one request."""

    inpaint: InpaintOptions  # how the network is applied
    mask: MaskOptions  # how the mask is read
    format: str = "same"  # one of ``FORMATS``
    quality: int = QUALITY  # 1 to 100, of JPEG and WebP

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            rule = f"format must be one of {', '.join(FORMATS)}"
            raise ContractError(f"{rule}; got {self.format[:40]!r}")
        if not 1 <= self.quality <= 100:
            raise ContractError(f"quality must be 1 to 100; got {self.quality}")


@dataclasses.dataclass
class Fields:
    """The fields of a request."""

    files: dict[str, bytes]  # contents by name: image, mask, edits
    options: RequestOptions
    filename: str = ""  # the client's name of the image; empty if unknown
    ignored: tuple[str, ...] = ()  # names of unused fields


async def read_fields(
    request: Request, *known: str, defaults: RequestOptions, limit: int
) -> Fields:
    """Read a form, or JSON as clients of IOPaint send it; ``limit`` is in bytes of one field.

    Of the known files only "edits" may be absent.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        fields = await _read_form(request, known, defaults, limit)
    elif kind == "application/json" and "mask" in known:
        fields = await asyncio.to_thread(_read_json, await request.body(), defaults)
    else:
        raise Problem(415, f"a body must be multipart/form-data; got {kind[:60] or 'no type'!r}")
    for name in known:
        if name != "edits" and not fields.files.get(name):
            raise Problem(422, f"the field '{name}' is missing or empty\nSend it as a file.")
    return fields


async def _read_form(
    request: Request, known: tuple[str, ...], defaults: RequestOptions, limit: int
) -> Fields:
    parser = _MemoryParser(
        request.headers, request.stream(), max_files=_FILES, max_fields=_FIELDS, max_part_size=limit
    )
    try:
        return await _sort(await parser.parse(), known, defaults)
    except MultiPartException as error:
        raise Problem(400, f"the form is malformed: {error.message}") from error
    except (KeyError, UnicodeError, ValueError) as error:
        raise Problem(400, "the form is malformed") from error
    finally:
        parser.close()


async def _sort(form: FormData, known: tuple[str, ...], defaults: RequestOptions) -> Fields:
    """Return the fields of a form; refuse unknown and repeated names."""
    files, texts, filename = {}, {}, ""
    for name, value in form.multi_items():
        if name in files or name in texts:
            raise Problem(422, f"the field '{name}' came twice")
        if name in known and isinstance(value, UploadFile):
            files[name] = await value.read()
            if name == "image":
                filename = value.filename or ""
        elif name in known and isinstance(value, str):
            if name != "edits":
                raise Problem(422, f"the field '{name}' must be a file\nWith curl: -F {name}=@FILE")
            files[name] = value.encode("utf-8", "replace")
        elif name in _OPTIONS and isinstance(value, str) and len(value) <= _OPTION_BYTES:
            texts[name] = value
        else:
            allowed = ", ".join((*known, *_OPTIONS))
            raise Problem(422, f"a field must be one of {allowed}; got {name[:60]!r}")
    return Fields(files, _read_options(texts, defaults), filename)


def _read_json(body: bytes, options: RequestOptions) -> Fields:
    """Read the JSON body of IOPaint's API: pictures in base64, and unused fields."""
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
    return Fields(files, options, ignored=tuple(n for n in ignored if re.fullmatch(r"\w{1,40}", n)))


def _read_options(texts: Mapping[str, str], defaults: RequestOptions) -> RequestOptions:
    """Return the options of a request, with the server's defaults for absent ones."""
    values = {name: _value(name, text) for name, text in texts.items()}
    inpaint: dict[str, Any] = {name: values.pop(name) for name in _INPAINT if name in values}
    mask: dict[str, Any] = {_MASK[name]: values.pop(name) for name in _MASK if name in values}
    rest: dict[str, Any] = values
    try:
        return dataclasses.replace(
            defaults,
            inpaint=dataclasses.replace(defaults.inpaint, **inpaint),
            mask=dataclasses.replace(defaults.mask, **mask),
            **rest,
        )
    except ContractError as error:
        raise problem_of(error) from error


def _value(name: str, text: str) -> str | int:
    if name in _NUMBERS:
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            raise Problem(422, f"{name} must be a whole number; got {text[:40]!r}")
        return int(text)
    if name in _SWITCHES:
        if text.lower() not in (*_TRUE, *_FALSE):
            raise Problem(422, f"{name} must be true or false; got {text[:40]!r}")
        return text.lower() in _TRUE
    return text
