"""Baselines without a network: interpolation and OpenCV's inpainting.

Letters: B images, H W sides in pixels. An image is (H, W, 3) uint8, a hole (H, W) bool.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ContractError, LibraryError
from ...runtime import Inpainter
from ...runtime.crops.blend import correct
from ...runtime.files.atomic import sha256
from ...runtime.models.packaged import DEMO, resolve_model
from ...runtime.tensors.pixels import Bool, Float32, Uint8, float_from_uint8, uint8_from_float
from .models import EXPORTED, Model
from .scores import Run

Repair = Callable[[Uint8, Bool], Uint8]
"""Fill the hole of an image."""

BASELINES: Final = ("harmonic", "opencv")
_RADIUS_PX: Final = 3.0  # of OpenCV's neighbourhoods; what its examples use


def open_baselines(names: Sequence[str]) -> dict[str, Model]:
    """Open some of ``BASELINES``; OpenCV has two algorithms, Telea's and Navier-Stokes."""
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ContractError(
            f"baselines must be some of {', '.join(BASELINES)}; got {', '.join(unknown)!r}"
        )
    repairs: dict[str, Repair] = {}
    for name in names:
        repairs |= {"harmonic": interpolate} if name == "harmonic" else _opencv()
    return {
        name: Model(path=Path(name), backend=name, run=repair_run(repair))
        for name, repair in repairs.items()
    }


@contextlib.contextmanager
def open_repair(path: Path) -> Iterator[Model]:
    """Open an exported model, or "demo", as ``csakit inpaint`` does, with its default options."""
    if str(path) != DEMO and path.suffix.lower() not in EXPORTED:
        raise ContractError(
            f"--baselines needs exported models, {' or '.join(EXPORTED)}; got "
            f"{path.name!r}\nExport it first: csakit export {path} -o model.onnx"
        )
    path = resolve_model(path)
    with Inpainter.open(path) as inpaint:
        yield Model(
            path=path,
            sha256=sha256(path),
            backend="runtime, default options",
            facts={**inpaint.session.metadata, **dataclasses.asdict(inpaint.options)},
            run=repair_run(inpaint),
        )


def repair_run(repair: Repair) -> Run:
    """Adapt a function on one uint8 image to batches of float32 tensors."""

    def run(images: Float32, holes: Float32) -> Float32:
        pixels = uint8_from_float(images)
        repaired = [repair(*one) for one in zip(pixels, holes[:, 0] > 0, strict=True)]
        return float_from_uint8(np.stack(repaired))

    return run


def interpolate(image: Uint8, hole: Bool) -> Uint8:
    """Solve Laplace's equation in the hole, as the runtime's blending does."""
    filled = np.zeros_like(image)  # its error at the border, interpolated, is the image
    correct(image, filled, hole)
    return np.where(hole[..., None], filled, image)


def _opencv() -> dict[str, Repair]:
    try:
        import cv2  # from the extra "baselines"
    except ImportError as error:
        raise LibraryError(
            "the baseline opencv needs OpenCV, which is not installed\n"
            "Install it with: pip install 'csakit[baselines]'"
        ) from error

    def repair(image: Uint8, hole: Bool, method: int) -> Uint8:
        return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), _RADIUS_PX, method), np.uint8)

    return {
        "opencv-telea": partial(repair, method=cv2.INPAINT_TELEA),
        "opencv-ns": partial(repair, method=cv2.INPAINT_NS),
    }
