"""Images and holes for training and evaluation.

images = open_images("photos:0.7,procedural:0.3")
masks = open_masks("freeform")
for batch in training_batches(images, masks, size=256, batch=1, seed=0, workers=2,
                              start_step=0, steps=1000):
    ...
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .loader import Batch, evaluation_pairs, training_batches
from .mask_sources import BUCKETS, bucket_of
from .open_sources import open_images, open_masks
from .protocols import BrokenImageError, ImageSource, MaskSource
from .recipes import RECIPE_NAMES

__all__ = [
    "BUCKETS",
    "RECIPE_NAMES",
    "Batch",
    "BrokenImageError",
    "ImageSource",
    "MaskSource",
    "bucket_of",
    "evaluation_pairs",
    "open_images",
    "open_masks",
    "training_batches",
]


def __getattr__(name: str) -> object:
    """Import the loader at its first use: it needs torch, and the help of commands does not."""
    if name not in ("Batch", "evaluation_pairs", "training_batches"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import loader

    value: object = getattr(loader, name)
    return value
