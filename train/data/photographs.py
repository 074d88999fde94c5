"""The photographs that scikit-image ships: a data set that needs no download."""

import functools
from typing import Any, Final

import numpy as np
from PIL import Image

from ...plugins.errors import LibraryError
from .framing import Framing, cut_out, tint
from .protocols import Pixels
from .recipes import Split

HELD_OUT: Final = ("chelsea", "coffee")
# Of the others, those of the sky, the eye and tissue made a network paint red; see the decisions.
TRAINED_ON: Final = (
    *("astronaut", "brick", "camera", "coins", "grass", "gravel", "rocket"),
    *("motorcycle_left", "motorcycle_right"),
)
_NAMES: Final[dict[Split, tuple[str, ...]]] = {
    "train": TRAINED_ON,
    "val": HELD_OUT,
    "auto": HELD_OUT,
    "all": TRAINED_ON + HELD_OUT,
}

# At most enlarged 1.5 times and at most halved. Few photographs need much augmentation.
_FRAMING: Final = Framing(where="random", pixels=(256 / 1.5, 512.0), flip=True, turn=True)


class Photographs:
    """Squares of the photographs that scikit-image ships; "val" and "auto": chelsea and coffee."""

    def __init__(self, split: Split) -> None:
        self._names = _NAMES[split]
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
