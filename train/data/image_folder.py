"""Images in a folder, read by a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...plugins.errors import ContractError
from ...runtime.images.decode import decode
from .framing import Framing, cut_out, least_side
from .listing import NameList
from .protocols import BrokenImageError, Pixels
from .recipes import RECIPES, RecipeName, Split, list_images

# 8 bits a channel, and a meaning that RGB has too.
_MODES = frozenset(
    ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
)


class FolderImages:
    """Images below a folder, augmented in split "train"; a cache keeps the first ones decoded."""

    def __init__(self, root: Path, recipe: RecipeName, split: Split, *, cache_mib: int = 0) -> None:
        self.root = root
        self.recipe = recipe
        self.split = split
        framing = RECIPES[recipe].framing
        self.framing: Framing = framing if split == "train" else framing.fixed()
        self._cached: dict[int, Image.Image] = {}
        self._room = cache_mib << 20
        self._cache_all = cache_mib > 0
        self._names = NameList(list_images(root, RECIPES[recipe], split))

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        cut = self.framing.draw(rng)
        picture = self._cached.get(index) or self._read(index, least_side(cut, size))
        return cut_out(picture, size, cut, smooth=self.framing.smooth)

    def _read(self, index: int, least: int | None) -> Image.Image:
        # With a cache all images are decoded whole, whether they fit into it or not: what is
        # returned must not depend on what was read before.
        picture = read_rgb(self.root / self._names[index], None if self._cache_all else least)
        size = 3 * picture.width * picture.height
        if size <= self._room:
            self._room -= size
            self._cached[index] = picture
        return picture

    def summary(self) -> dict[str, Any]:
        return {
            "kind": "folder",
            "name": self.root.resolve().name,
            "recipe": self.recipe,
            "split": self.split,
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
