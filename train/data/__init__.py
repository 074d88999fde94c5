"""Images and holes for training and evaluation; ``loader``, which needs torch, joins them.

images = open_images("photos:0.7,procedural:0.3")
masks = open_masks("freeform")
for batch in training_batches(images, masks, size=256, batch=1, seed=0, workers=2,
                              start_step=0, steps=1000):
    ...
"""

from .mask_sources import BUCKETS, bucket_of
from .open_sources import open_images, open_masks
from .protocols import BrokenImageError, ImageSource, MaskSource

__all__ = [
    "BUCKETS",
    "BrokenImageError",
    "ImageSource",
    "MaskSource",
    "bucket_of",
    "open_images",
    "open_masks",
]
