"""Sources of images: a folder, the photographs that scikit-image ships, and mixtures."""

import bisect
import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError, LibraryError
from ...runtime.images.decode import decode
from .framing import Framing, cut_out, least_side, tint
from .listing import NameList
from .procedural import DeadLeaves
from .protocols import BrokenImageError, ImageSource, Pixels, mixture_summary
from .recipes import RECIPES, RecipeName, Split, list_images

# Modes of 8 bits a channel that convert to RGB.
_MODES: Final = frozenset(
    ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
)

HELD_OUT: Final = ("chelsea", "coffee")
# The others (sky, eye, tissue) made a network paint red; see docs/decisions.md.
TRAINED_ON: Final = (
    *("astronaut", "brick", "camera", "coins", "grass", "gravel", "rocket"),
    *("motorcycle_left", "motorcycle_right"),
)
_PHOTOGRAPHS: Final[dict[Split, tuple[str, ...]]] = {
    "train": TRAINED_ON,
    "val": HELD_OUT,
    "auto": HELD_OUT,
    "all": TRAINED_ON + HELD_OUT,
}
# At most enlarged 1.5 times and at most halved. Few photographs need much augmentation.
_FRAMING: Final = Framing(where="random", pixels=(256 / 1.5, 512.0), flip=True, turn=True)


class FolderImages:
    """Images below a folder, augmented in split "train"; a cache keeps the first ones decoded."""

    def __init__(self, root: Path, recipe: RecipeName, split: Split, *, cache_mib: int = 0) -> None:
        self._root = root
        self._recipe = recipe
        self._split = split
        framing = RECIPES[recipe].framing
        self._framing = framing if split == "train" else framing.fixed()
        self._cached: dict[int, Image.Image] = {}
        self._room = cache_mib << 20
        self._decode_whole = cache_mib > 0
        self._names = NameList(list_images(root, RECIPES[recipe], split))

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        cut = self._framing.draw(rng)
        picture = self._cached.get(index) or self._read(index, least_side(cut, size))
        return cut_out(picture, size, cut, smooth=self._framing.smooth)

    def _read(self, index: int, least: int | None) -> Image.Image:
        # With a cache all images are decoded whole, whether they fit into it or not: what is
        # returned must not depend on what was read before.
        picture = read_rgb(self._root / self._names[index], None if self._decode_whole else least)
        size = 3 * picture.width * picture.height
        if size <= self._room:
            self._room -= size
            self._cached[index] = picture
        return picture

    def summary(self) -> dict[str, Any]:
        return {
            "kind": "folder",
            "name": self._root.resolve().name,
            "recipe": self._recipe,
            "split": self._split,
            "images": len(self),
        }


def read_rgb(path: Path, least: int | None = None) -> Image.Image:
    """Read an upright RGB image; a JPEG is decoded at a fraction that keeps ``least`` pixels."""
    try:
        file = decode(path, least_side=least)
        if file.deep or file.image.mode not in _MODES:
            raise ContractError(f"{path} must have 8 bits a channel; it is {file.image.mode}")
        return file.image.convert("RGB")
    except (ContractError, OSError) as error:
        raise BrokenImageError(str(error).splitlines()[0]) from error


class Photographs:
    """Squares of the photographs that scikit-image ships; "val" and "auto": chelsea and coffee."""

    def __init__(self, split: Split) -> None:
        self._names = _PHOTOGRAPHS[split]
        self._split = split
        _photograph(self._names[0])  # fails now if it is missing

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        augmented = self._split == "train"
        cut = (_FRAMING if augmented else _FRAMING.fixed()).draw(rng)
        square = cut_out(_photograph(self._names[index]), size, cut)
        return tint(square, rng) if augmented else square

    def summary(self) -> dict[str, Any]:
        return {"kind": "scikit-image", "split": self._split, "names": list(self._names)}


@functools.cache  # 9 MB in all, for each process
def _photograph(name: str) -> Image.Image:
    try:
        import skimage.data  # deferred: slow, and only needed here
    except ImportError as error:
        raise LibraryError(
            "the photographs of scikit-image need scikit-image\n"
            "Install it with: pip install scikit-image"
        ) from error
    if name.startswith("motorcycle"):
        left, right, _ = skimage.data.stereo_motorcycle()  # type: ignore[no-untyped-call]
        pixels = left if name.endswith("left") else right
    else:
        pixels = getattr(skimage.data, name)()
    return Image.fromarray(np.asarray(pixels)).convert("RGB")


class Mixture:
    """Images of several sources in proportion to their shares, of which only the ratios count.

    An epoch lasts until every image of every finite source was used; some are used several times.
    """

    def __init__(self, sources: Sequence[ImageSource], shares: Sequence[float]) -> None:
        self._sources = sources
        self._shares = [share / sum(shares) for share in shares]
        # Procedural images have no end, so they do not count.
        finite = [
            len(source) / share
            for source, share in zip(sources, self._shares, strict=True)
            if not isinstance(source, DeadLeaves)
        ]
        length = math.ceil(max(finite, default=len(sources[0])))
        counts = [max(1, round(share * length)) for share in self._shares]
        self._ends = list(itertools.accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1]

    def name(self, index: int) -> str:
        source, local = self._find(index)
        return source.name(local)

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        source, local = self._find(index)
        return source.load(local, size, rng)

    def summary(self) -> dict[str, Any]:
        return mixture_summary(self._sources, self._shares)

    def _find(self, index: int) -> tuple[ImageSource, int]:
        part = bisect.bisect_right(self._ends, index)
        local = index - (self._ends[part - 1] if part else 0)
        return self._sources[part], local % len(self._sources[part])
