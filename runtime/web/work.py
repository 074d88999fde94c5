"""The work of a request: decode, repair in parts, apply earlier parts, encode."""

import base64
import binascii
import contextlib
import dataclasses
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError, CsakitError
from ..crops.repair import Part
from ..files.failures import failure
from ..images.decode import decode
from ..images.encode import OUTPUT_FORMATS, Picture, encode_image, load_image
from ..images.mask import load_hole
from ..images.metadata import Metadata
from ..images.source import ImageBytes
from ..inpainter import Inpainter
from ..notices import Notice, collect_notices
from ..options import InpaintOptions
from ..tensors.pixels import Bool, Uint8
from .fields import FORMATS, Fields
from .metrics import Metrics
from .problem import problem_of
from .work_queue import Task

PREVIEW_SIDE: Final = 4096  # of pictures that browsers cannot show
_SHOWN: Final = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP")
_TURNED_BY_BROWSERS: Final = ("JPEG", "MPO")
_SUFFIXES: Final = {  # by Pillow's name of the format; the first of each
    **{kind: suffix for suffix, kind in reversed(OUTPUT_FORMATS.items())},
    "MPO": ".jpg",
}
_EDITS_MAX: Final = 10_000
_NAME: Final = re.compile(r"[^A-Za-z0-9._ ()-]+")


@dataclasses.dataclass
class Result:
    """Result of a request."""

    content: bytes = b""  # the encoded picture; empty if not requested
    media_type: str = ""  # of the content
    filename: str = ""  # suggested to the client
    notices: list[Notice] = dataclasses.field(default_factory=list)  # warnings, in their order
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)  # by stage, in their order


class Worker:
    """Does the work of requests with one model, in any thread."""

    def __init__(self, inpaint: Inpainter, metrics: Metrics) -> None:
        self._inpaint = inpaint
        self._metrics = metrics

    def repair(self, fields: Fields, task: Task, *, whole: bool) -> Result:
        """Repair a picture; with ``whole``, encode the whole result too."""
        with _answering(task) as result:
            with self._timed(result, "decode", task):
                picture = self._picture(fields)
                size = picture.pixels.shape[:2]
                mask = ImageBytes(fields.files["mask"], "the mask")
                hole = load_hole(mask, (size[0], size[1]), fields.options.mask)
            with self._timed(result, "model", task):
                repaired = self._run(picture, hole, fields.options.inpaint, task, result)
            if whole:
                with self._timed(result, "encode", task):
                    self._encode(picture.repaired(repaired, hole), fields, result)
        return result

    def apply(self, fields: Fields, task: Task) -> Result:
        """Apply earlier parts to a picture, and encode it with its metadata."""
        with _answering(task) as result:
            with self._timed(result, "decode", task):
                picture = self._picture(fields)
            with self._timed(result, "encode", task):
                self._encode(picture, fields, result)
        return result

    def inspect(self, fields: Fields, task: Task, *, preview: bool) -> Result:
        """Return a description of a picture as JSON, or a copy that every browser can show."""
        with _answering(task) as result, self._timed(result, "decode", task):
            picture = load_image(ImageBytes(fields.files["image"], "the picture"))
            if preview:
                result.content, result.media_type = _preview(picture), "image/jpeg"
                return result
        height, width = picture.pixels.shape[:2]
        shown = picture.format in _SHOWN and (
            not picture.turned or picture.format in _TURNED_BY_BROWSERS
        )
        description = {
            "width": width,
            "height": height,
            "format": "JPEG" if picture.format == "MPO" else picture.format,
            "grey": picture.grey,
            "alpha": picture.alpha is not None,
            "bits": 8 if picture.deep is None else 16,
            "profile": picture.metadata.icc_profile is not None,
            "display": "file" if shown else "preview",
            "warnings": [dataclasses.asdict(notice) for notice in result.notices],
        }
        result.content, result.media_type = json.dumps(description).encode(), "application/json"
        return result

    def _picture(self, fields: Fields) -> Picture:
        picture = load_image(ImageBytes(fields.files["image"], "the picture"))
        if edits := fields.files.get("edits", b"").strip():
            picture = _lay(picture, edits)
        return picture

    def _run(
        self, picture: Picture, hole: Bool, options: InpaintOptions, task: Task, result: Result
    ) -> Uint8:
        """Run the model part by part; return the repaired pixels."""

        def progress(done: int, runs: int) -> None:
            task.check()
            task.emit({"event": "progress", "done": done, "runs": runs})

        repair = self._inpaint.parts(picture.pixels, hole, options=options, progress=progress)
        result.notices.extend(repair.notices)
        for notice in result.notices:
            task.emit({"event": "warning", **dataclasses.asdict(notice)})
        scale = round(repair.scale, 4)
        plan = {"event": "running", "parts": len(repair), "runs": repair.runs, "scale": scale}
        task.emit(plan)
        repaired: Uint8 = picture.pixels.copy()
        for number, part in enumerate(repair, 1):
            repaired[part.window][part.hole] = part.pixels[part.hole]
            top, left, bottom, right = part.box
            task.emit(
                {
                    "event": "part",
                    "part": number,
                    "of": len(repair),
                    "x": left,
                    "y": top,
                    "width": right - left,
                    "height": bottom - top,
                    "scale": round(part.scale, 4),
                    "png": base64.b64encode(_patch(part, picture)).decode(),
                }
            )
            self._metrics.add("pixels", int(part.hole.sum()))
            task.check()
        return repaired

    def _encode(self, picture: Picture, fields: Fields, result: Result) -> None:
        options = fields.options
        suffix = FORMATS[options.format] or _SUFFIXES.get(picture.format, ".png")
        name = Path(f"the result as {suffix[1:]}{suffix}")
        result.content = encode_image(picture, name, quality=options.quality)
        result.media_type = Image.MIME[OUTPUT_FORMATS[suffix]]
        result.filename = f"{_stem(fields.filename)}{suffix}"

    @contextlib.contextmanager
    def _timed(self, result: Result, stage: str, task: Task) -> Iterator[None]:
        """Measure a stage; raise first if the task is stopped, late or abandoned."""
        task.check()
        started = time.perf_counter()
        try:
            yield
        finally:
            result.seconds[stage] = time.perf_counter() - started
            self._metrics.observe(stage, result.seconds[stage])


@contextlib.contextmanager
def _answering(task: Task) -> Iterator[Result]:
    """Yield a result that collects notices; raise errors of csakit as problems."""
    result = Result(seconds={"queue": task.waited})
    with collect_notices() as result.notices:
        try:
            yield result
        except (CsakitError, MemoryError) as error:
            if problem := failure(error, "repair the picture"):
                raise problem_of(problem) from error
            raise


def _patch(part: Part, picture: Picture) -> bytes:
    """Encode a part as PNG, opaque where it replaces the picture, in the picture's colours."""
    pixels = np.where(part.hole[..., None], part.pixels, np.uint8(0))
    image = Image.fromarray(pixels)
    if picture.grey:
        image = image.convert("L")
    image.putalpha(Image.fromarray(part.hole.astype(np.uint8) * 255))
    metadata = picture.metadata
    colours = Metadata(icc_profile=metadata.icc_profile, colours=metadata.colours)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3, **colours.save_arguments("PNG"))
    return buffer.getvalue()


def _lay(picture: Picture, edits: bytes) -> Picture:
    """Apply the parts of earlier answers to a picture, in their order."""
    pixels = picture.pixels.copy()
    height, width = pixels.shape[:2]
    changed = np.zeros((height, width), dtype=bool)
    lines = edits.splitlines()
    if len(lines) > _EDITS_MAX:
        raise ContractError(f"edits may have at most {_EDITS_MAX} lines; got {len(lines)}")
    for number, line in enumerate(lines, 1):
        if line.strip():
            left, top, patch = _edit(line, f"line {number} of edits")
            rows, columns = patch.shape[:2]
            if top + rows > height or left + columns > width:
                raise ContractError(
                    f"line {number} of edits reaches out of the picture, {width} x {height}\n"
                    "Send the edits with the picture that they were made for."
                )
            window = slice(top, top + rows), slice(left, left + columns)
            opaque = patch[..., 3] >= 128
            pixels[window][opaque] = patch[opaque][:, :3]
            changed[window] |= opaque
    return picture.repaired(pixels, changed)


def _edit(line: bytes, name: str) -> tuple[int, int, Uint8]:
    """Return left, top and RGBA pixels, (h, w, 4), of one line of edits."""
    try:
        values: Any = json.loads(line)
        left, top, text = values["x"], values["y"], values["png"]
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise ContractError(
            f"{name} must be a JSON object with x, y and png, as answers have them"
        ) from error
    if type(left) is not int or type(top) is not int or not (0 <= left < 2**20 > top >= 0):
        raise ContractError(f"{name} must have x and y as whole numbers, 0 or more")
    patch: Uint8 = np.asarray(decode(ImageBytes(data, name)).image.convert("RGBA"))
    return left, top, patch


def _preview(picture: Picture) -> bytes:
    """Encode a picture for display: JPEG, transparent parts on white."""
    pixels = picture.pixels
    if picture.alpha is not None:
        alpha = picture.alpha[..., None].astype(np.float32) / 255
        pixels = np.rint(pixels * alpha + 255 * (1 - alpha)).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BOX)
    profile = None if picture.grey else picture.metadata.icc_profile
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **({"icc_profile": profile} if profile else {}))
    return buffer.getvalue()


def _stem(filename: str) -> str:
    """Return a harmless file name for a result, from that of the picture."""
    stem = _NAME.sub("_", Path(filename.replace("\\", "/")).name.rpartition(".")[0])
    return f"{stem.strip('. ')[:80] or 'picture'}-repaired"
