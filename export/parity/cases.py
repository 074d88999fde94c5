"""Photographs and masks that models are compared on.

Letters: H W sides in pixels, multiples of 256.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ...runtime.files.atomic import atomic_write
from ...runtime.files.failures import failure, failures_as_errors, is_folder
from ...runtime.images.decode import INPUT_SUFFIXES
from ...runtime.images.encode import load_image
from ...train.masks import centre_hole, freeform_hole
from ..config import ExportConfig

BUNDLED: Final = ("astronaut", "chelsea", "coffee", "rocket")  # scikit-image ships them
_EXPORT_ORDER: Final = ("chelsea", "astronaut", "coffee", "rocket")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One image with its hole."""

    name: str  # photograph and kind of hole, for tables and file names
    image: npt.NDArray[np.uint8]  # (H, W, 3) uint8
    hole: npt.NDArray[np.bool_]  # (H, W) bool

    def require_size(self, size: tuple[int, int] | None, model: str) -> None:
        """Refuse a case whose size differs from a model's fixed (H, W)."""
        if size not in (None, self.hole.shape):
            raise ContractError(
                f"{model} takes images of {size}; {self.name} has {self.hole.shape}"
            )


def export_cases(config: ExportConfig, images: int = 1) -> list[Case]:
    """Return the cases that an export is verified on: three holes per photograph, an oblong one."""
    if not 0 <= images <= len(_EXPORT_ORDER):
        raise ContractError(
            f"an export can be verified on 0 to {len(_EXPORT_ORDER)} photographs; got {images}\n"
            "Verify it on photographs of yours: csakit verify MODEL.onnx --images DIR"
        )
    size = SIZE_MULTIPLE if config.size == "dynamic" else config.size
    cases: list[Case] = []
    for seed, name in enumerate(_EXPORT_ORDER[:images]):
        cases += _with_holes(name, bundled_photograph(name, size, size), seed)
    return [*cases, oblong_case()] if cases and config.size == "dynamic" else cases


def oblong_case() -> Case:
    """Return a case of different height and width, so that swapping them fails."""
    height, width = 2 * SIZE_MULTIPLE, SIZE_MULTIPLE
    return Case(
        name="astronaut-oblong",
        image=bundled_photograph("astronaut", height, width),
        hole=freeform_hole(height, width, np.random.default_rng(1)),
    )


def save_case(case: Case, path: Path) -> None:
    """Write a case to an ``.npz`` file for a later comparison."""
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, image=case.image, hole=case.hole)


def load_case(path: Path) -> Case:
    """Read a case that ``save_case`` wrote; it is named after the file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            image, hole = arrays["image"], arrays["hole"]
    except Exception as error:  # NumPy, zipfile and zlib raise errors of many classes
        if problem := failure(error, f"read {path}"):
            raise problem from error
        raise ContractError(f"{path} is not a saved case: {error}") from error
    height, width = hole.shape if hole.ndim == 2 else (0, 0)
    if (
        (image.dtype, hole.dtype) != (np.uint8, np.bool_)
        or image.shape != (height, width, 3)
        or height % SIZE_MULTIPLE
        or width % SIZE_MULTIPLE
        or not image.size
    ):
        raise ContractError(
            f"{path} must hold image (H, W, 3) uint8 and hole (H, W) bool, sides multiples of "
            f"{SIZE_MULTIPLE}; got {image.dtype} {image.shape} and {hole.dtype} {hole.shape}"
        )
    return Case(name=path.stem, image=image, hole=hole)


def verify_cases(size: tuple[int, int] | None, images: Path | None = None) -> Iterator[Case]:
    """Return each photograph with each kind of hole, at a model's (H, W), None if dynamic."""
    paths = None
    if images is not None:  # a folder without photographs is refused before the work
        with failures_as_errors(f"read the folder {images}"):
            found = sorted(images.iterdir()) if is_folder(images) else []
        paths = [path for path in found if path.suffix.lower() in INPUT_SUFFIXES]
        if not paths:
            raise ContractError(f"{images} must be a folder of photographs (.png, .jpg, ...)")
    return _cases(size, paths)


def _cases(size: tuple[int, int] | None, paths: list[Path] | None) -> Iterator[Case]:
    height, width = size or (SIZE_MULTIPLE, SIZE_MULTIPLE)
    if size is None:
        yield oblong_case()
    if paths is None:
        for seed, name in enumerate(BUNDLED):
            yield from _with_holes(name, bundled_photograph(name, height, width), seed)
        return
    for seed, path in enumerate(paths):
        photograph = fitted(load_image(path).pixels, height, width)
        yield from _with_holes(path.stem, photograph, seed)


def bundled_photograph(name: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3), the middle of a colour photograph in ``skimage.data``."""
    import skimage.data  # deferred: half a second, and only this function needs it

    return fitted(getattr(skimage.data, name)(), height, width)


def fitted(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Crop the middle (H, W, 3) of an image, enlarging it first where it is too small."""
    picture = Image.fromarray(image)
    scale = max(height / picture.height, width / picture.width, 1.0)
    picture = picture.resize(
        (max(width, round(picture.width * scale)), max(height, round(picture.height * scale))),
        Image.Resampling.BICUBIC,
    )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return np.asarray(picture.crop((left, top, left + width, top + height)))


def _with_holes(name: str, image: npt.NDArray[np.uint8], seed: int) -> Iterator[Case]:
    height, width = image.shape[:2]
    rng = np.random.default_rng(seed)
    edge = np.zeros((height, width), dtype=bool)
    edge[: height // 3, : width // 3] = True
    yield Case(name=f"{name}-centre", image=image, hole=centre_hole(height, width))
    yield Case(name=f"{name}-strokes", image=image, hole=freeform_hole(height, width, rng))
    yield Case(name=f"{name}-corner", image=image, hole=edge)
