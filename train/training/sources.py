"""What a run reads: its training images and masks, and the fixed pairs of its validation."""

import dataclasses

from ..data import ImageSource, MaskSource, evaluation_pairs, open_images, open_masks
from .config import DataConfig, TrainConfig
from .validation import Pair


@dataclasses.dataclass(frozen=True)
class Sources:
    """Opened data.

    Attributes:
        images: to train on.
        masks: to train on.
        pairs: to validate with; may be empty.
    """

    images: ImageSource
    masks: MaskSource
    pairs: list[Pair]


def open_sources(config: TrainConfig) -> Sources:
    """Open the data of a run.

    Raises:
        ContractError: a folder is missing or empty, or a source is unknown.
    """
    data = config.data
    images = open_images(data.data, recipe=data.recipe, split="train", cache_mib=data.cache)
    masks = _open_masks(data, data.masks)
    if not data.validation_count:
        return Sources(images, masks, [])
    own = data.validation is not None  # images of its own are all meant, unless they say more
    held_out = open_images(
        data.validation or data.data, recipe=data.recipe, split="auto" if own else "val"
    )
    holes = _open_masks(data, data.validation_masks or data.masks)
    pairs = evaluation_pairs(
        held_out, holes, size=data.size, seed=config.optimisation.seed, count=data.validation_count
    )
    return Sources(images, masks, list(pairs))


def _open_masks(data: DataConfig, spec: str) -> MaskSource:
    buckets = (
        None
        if data.mask_buckets is None
        else [part.strip() for part in data.mask_buckets.split(",")]
    )
    return open_masks(spec, buckets=buckets, invert=data.mask_invert, ratio=data.mask_ratio)
