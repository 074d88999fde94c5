"""Convert images and masks from paths, Pillow images and NumPy arrays, and results back.

Letters: C channels: grey or RGB, then alpha if there is one.
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...plugins.errors import ContractError
from ..options import MaskOptions
from ..tensors.pixels import Bool, Uint8
from .decode import Decoded
from .deep import SCALE, Uint16, eight_bits
from .encode import Picture, load_image, picture_of, pillow_image
from .mask import hole_of, load_hole
from .metadata import Metadata
from .source import ImageBytes

ImageLike = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]

_IMAGE: Final = ImageBytes(b"", "the Pillow image")  # their names in messages
_MASK: Final = ImageBytes(b"", "the mask")


@dataclasses.dataclass(frozen=True)
class Adapted:
    """An image as network input, and the conversion of the result back."""

    pixels: Uint8  # (H, W, 3), RGB
    restore: Callable[[Uint8, Bool], Any]  # takes repaired pixels (H, W, 3) and hole (H, W)


def adapt_image(image: ImageLike) -> Adapted:
    """Return an image as 8-bit RGB; ``Inpainter.__call__`` lists the accepted types."""
    if isinstance(image, np.ndarray):
        return _adapt_array(image)
    if isinstance(image, Image.Image):
        return _adapt_pillow(image)
    if isinstance(image, str | os.PathLike):
        picture = load_image(Path(image))
        profile = picture.metadata.icc_profile
        return _adapt_picture(picture, {"icc_profile": profile} if profile else {})
    raise ContractError(_not_adaptable("image", image))


def adapt_mask(mask: ImageLike, size: tuple[int, int]) -> Bool:
    """Return the hole (H, W) that a mask marks in an image of this size."""
    if isinstance(mask, np.ndarray):
        return _hole_of_array(mask, size)
    if isinstance(mask, Image.Image):
        return hole_of(_loaded(mask, _MASK), _MASK, size, MaskOptions())
    if isinstance(mask, str | os.PathLike):
        return load_hole(Path(mask), size, MaskOptions())
    raise ContractError(_not_adaptable("mask", mask))


def _adapt_array(image: npt.NDArray[Any]) -> Adapted:
    """Adapt an array; the result is a new one of the same shape and type."""
    levels = image[..., None] if image.ndim == 2 else image
    if levels.ndim != 3 or not 1 <= levels.shape[2] <= 4 or image.size == 0:
        raise ContractError(
            "image must be (H, W), (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA; got "
            f"{image.shape}\nFrom (C, H, W): numpy.moveaxis(image, 0, -1)."
        )
    colours = 1 if levels.shape[2] < 3 else 3
    eight = np.ascontiguousarray(_eight_bits(levels[..., :colours]))
    grey = colours == 1
    pixels = np.repeat(eight, 3, axis=2) if grey else eight
    picture = Picture(pixels=pixels, alpha=None, grey=grey, metadata=Metadata())

    def restore(repaired: Uint8, hole: Bool) -> npt.NDArray[Any]:
        values = picture.repaired(repaired, hole).pixels[hole][:, :colours]
        result = np.array(image, order="C")
        result.reshape(levels.shape)[hole, :colours] = _as_type(values, image.dtype)
        return result

    return Adapted(pixels, restore)


def _eight_bits(levels: npt.NDArray[Any]) -> Uint8:
    """Return levels as uint8."""
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype == np.uint16:
        return eight_bits(levels)
    if not np.issubdtype(levels.dtype, np.floating):
        raise ContractError(
            f"image must be uint8, uint16, or float in [0, 1]; got {levels.dtype}\n"
            "From 0 ... 255 in another type: image.astype(numpy.uint8)."
        )
    low, high = levels.min(), levels.max()
    if not (low >= 0 and high <= 1):  # NaN fails as well
        raise ContractError(
            f"float images must be in [0, 1]; got {low:.4g} to {high:.4g}\n"
            "From 0 ... 255: image / 255. From [-1, 1]: image / 2 + 0.5."
        )
    exact = np.promote_types(levels.dtype, np.float32)  # float16 has too few digits
    rounded: Uint8 = np.rint(np.multiply(levels, 255, dtype=exact)).astype(np.uint8)
    return rounded


def _as_type(values: Uint8, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return uint8 levels on the scale of another type."""
    if dtype == np.uint8:
        return values
    if dtype == np.uint16:
        deep: Uint16 = values.astype(np.uint16) * np.uint16(SCALE)
        return deep
    return (values / 255).astype(dtype)


def _adapt_pillow(image: Image.Image) -> Adapted:
    """Adapt a Pillow image; the result has its size, its ``info``, and the mode of its colours."""
    if image.mode.startswith("I;16"):
        deep = _adapt_array(np.asarray(_loaded(image, _IMAGE), np.uint16))
        return Adapted(deep.pixels, lambda new, hole: Image.fromarray(deep.restore(new, hole)))
    picture = picture_of(Decoded(image=_loaded(image, _IMAGE)), _IMAGE)
    used = {"transparency", *(("icc_profile",) if image.mode == "CMYK" else ())}
    return _adapt_picture(picture, {k: v for k, v in image.info.items() if k not in used})


def _adapt_picture(picture: Picture, info: dict[Any, Any]) -> Adapted:
    def restore(repaired: Uint8, hole: Bool) -> Image.Image:
        result = pillow_image(picture.repaired(repaired, hole))
        result.info = dict(info)
        return result

    return Adapted(picture.pixels, restore)


def _loaded(image: Image.Image, name: ImageBytes) -> Image.Image:
    """Decode a Pillow image, which opens files without reading them."""
    try:
        image.load()
    except Exception as error:  # decoders raise any exception on broken files
        raise ContractError(f"{name} cannot be decoded: {error}") from error
    return image


def _hole_of_array(mask: npt.NDArray[Any], size: tuple[int, int]) -> Bool:
    plain = mask[..., 0] if mask.ndim == 3 and mask.shape[2] == 1 else mask
    if plain.shape != size:
        raise ContractError(f"mask must have the (H, W) of the image, {size}; got {mask.shape}")
    if plain.dtype == np.bool_:
        return plain
    if plain.dtype == np.uint8:
        return _marked(plain, 128)
    if np.issubdtype(plain.dtype, np.floating) and plain.min() >= 0 and plain.max() <= 1:
        return _marked(plain, 0.5)
    raise ContractError(
        f"mask must be bool, uint8, or float in [0, 1]; got {plain.dtype} from {plain.min():.4g} "
        f"to {plain.max():.4g}\nWhere everything but 0 is missing: mask != 0."
    )


def _marked(mask: npt.NDArray[Any], least: float) -> Bool:
    """Return where a mask reaches a level; refuse a mask that is not black but never does."""
    if 0 < (highest := mask.max()) < least:
        raise ContractError(
            f"a mask of {mask.dtype} is missing where it is {least} or more; got {highest:.4g} at "
            "most\nWhere everything but 0 is missing: mask != 0."
        )
    return np.asarray(mask >= least)


def _not_adaptable(what: str, value: object) -> str:
    return (
        f"{what} must be a path, a Pillow image or a NumPy array; got {type(value).__name__}\n"
        "From a tensor or a list: numpy.asarray(...)."
    )
