"""Pairs of image and hole for an evaluation, the same every time. S is a side in pixels."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ..data import MaskSource, open_images, open_masks
from ..data.open_sources import CENTRE
from ..data.recipes import RecipeName, Split
from ..fields import require
from .hole_classes import HOLE_CLASSES, class_holes
from .scores import Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Images and holes of an evaluation.

    Attributes:
        data: a folder; "scikit-image", photographs it ships; "procedural", drawn ones
        masks: "center", "freeform", "box", folders of masks, or ``HOLE_CLASSES``; scored separately
        size: side of the images in pixels, a multiple of 256
        seed: of crops and holes, not negative; the same one draws the same pairs
        count: how many images, from the first; by default all
        batch: images per call of a model
        buckets: a hole of each of these sizes for each image, some of ``BUCKETS``
        recipe: how a folder is laid out and cut
        split: "val", the data set's validation split, or one image in 20 if it has none; or
            "all" images
        mask_invert: black, not white, marks missing pixels in folders of masks
    """

    data: str
    masks: tuple[str, ...]
    size: int = SIZE_MULTIPLE
    seed: int = 0
    count: int | None = None
    batch: int = 1
    buckets: tuple[str, ...] | None = None
    recipe: RecipeName = "folder"
    split: Split = "val"
    mask_invert: bool = False

    def __post_init__(self) -> None:
        whole = self.size > 0 and self.size % SIZE_MULTIPLE == 0
        rule = f"a positive multiple of {SIZE_MULTIPLE} pixels"
        require(whole, "size", rule, self.size)
        require(self.seed >= 0, "seed", "at least 0", self.seed)
        require(self.batch >= 1, "batch", "at least 1", self.batch)
        require(self.count is None or self.count >= 1, "count", "at least 1", self.count)
        if self.split == "train":
            raise ContractError('the split must be "val" or "all": "train" is augmented')
        if not self.masks or not all(self.masks) or len({*self.masks}) < len(self.masks):
            raise ContractError(
                "masks must be one or more of center, freeform, box and folders, each once; got "
                f"{','.join(self.masks)!r}"
            )


class Pairs:
    """The pairs of image and hole that options describe; iterated as often as is needed."""

    def __init__(self, options: EvaluationOptions) -> None:
        self.options = options
        self._broken: list[str] = []
        self._images = open_images(options.data, recipe=options.recipe, split=options.split)
        self._masks = {
            name: _open_masks(spec, options)
            for name, spec in zip(_short(options.masks), options.masks, strict=True)
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds of holes in tables."""
        return tuple(self._masks)

    @property
    def broken(self) -> tuple[str, ...]:
        """The images that could not be read so far, with the reason."""
        return tuple(dict.fromkeys(self._broken))

    def __len__(self) -> int:
        images = len(self._images)
        count = images if self.options.count is None else min(self.options.count, images)
        return count * sum(len(sources) for sources in self._masks.values())

    def of(self, kind: str) -> Iterator[Pair]:
        """Yield name, image and hole of one of ``kinds``, the same every time."""
        from ..data.loader import evaluation_pairs  # deferred: needs torch

        asked: dict[str, Any] = {
            name: getattr(self.options, name) for name in ("size", "seed", "count")
        }
        return itertools.chain.from_iterable(
            evaluation_pairs(self._images, masks, broken=self._broken, **asked)
            for masks in self._masks[kind]
        )

    def summary(self) -> dict[str, Any]:
        """Return a JSON-serialisable description of the pairs."""
        o = self.options
        return {
            "images": self._images.summary(),
            "masks": {
                kind: [source.summary() for source in sources]
                for kind, sources in self._masks.items()
            },
            **{name: getattr(o, name) for name in ("size", "seed", "count", "batch")},
        }


def _open_masks(spec: str, options: EvaluationOptions) -> list[MaskSource]:
    """Open one source, or one for each bucket. Folders are not augmented."""
    if spec in HOLE_CLASSES:
        return [class_holes(spec)]
    if options.buckets is None or spec in CENTRE:
        return [open_masks(spec, invert=options.mask_invert, augment=False)]
    return [
        open_masks(spec, buckets=[bucket], invert=options.mask_invert, augment=False)
        for bucket in options.buckets
    ]


def _short(specs: Sequence[str]) -> list[str]:
    """Return the last part of each path, or the whole paths if the parts repeat."""
    names = [Path(spec).name or spec for spec in specs]
    return names if len({*names}) == len(names) else list(specs)
