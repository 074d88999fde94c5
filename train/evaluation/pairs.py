"""Pairs of image and hole for an evaluation, the same every time. S is a side in pixels."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ...runtime.tensors.pixels import Uint8
from ..data import (
    BrokenImageError,
    ImageSource,
    MaskSource,
    describe,
    open_images,
    open_masks,
)
from ..data.open_sources import CENTRE
from ..data.recipes import RecipeName, Split
from .hole_classes import HOLE_CLASSES, ClassHoles
from .scores import Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What to evaluate on.

    Attributes:
        data: a folder of images, or what else ``open_images`` takes.
        masks: "center", "freeform", "box", or folders of masks; each is evaluated apart.
        size: pixels of each side, a multiple of 256.
        seed: of crops and holes, not negative; the same one gives the same pairs.
        count: images taken from the first; None takes all.
        batch: images of one run.
        buckets: every image gets a hole of each of these sizes, "10-20" and so on, in per
            cent; not for "center", which has one size. None takes holes as they are drawn.
        recipe: how folders of images are laid out and cut; see ``csakit.train.data.recipes``.
        split: "val", what the set keeps apart for validation, or one image in 20; or "all".
        mask_invert: black is missing in folders of masks.
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
        """Refuse what no evaluation could be made of."""
        if self.size < SIZE_MULTIPLE or self.size % SIZE_MULTIPLE:
            raise ContractError(
                f"the size must be a positive multiple of {SIZE_MULTIPLE} pixels; got {self.size}"
            )
        for name, number, least in (
            ("the seed", self.seed, 0),
            ("the count of images", 1 if self.count is None else self.count, 1),
            ("the batch", self.batch, 1),
        ):
            if number < least:
                raise ContractError(f"{name} must be at least {least}; got {number}")
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
        self._broken: dict[str, None] = {}  # in their order, each once
        source = open_images(options.data, recipe=options.recipe, split=options.split)
        self._images = _Noting(source, self._broken)
        self._masks = {
            name: _open_masks(spec, options)
            for name, spec in zip(_short(options.masks), options.masks, strict=True)
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the kinds of holes are called in tables."""
        return tuple(self._masks)

    @property
    def broken(self) -> tuple[str, ...]:
        """The images that could not be read so far, with the reason."""
        return tuple(self._broken)

    def __len__(self) -> int:
        """Return how many pairs all kinds have together, as long as no image is broken."""
        images = len(self._images)
        count = images if self.options.count is None else min(self.options.count, images)
        return count * sum(len(sources) for sources in self._masks.values())

    def of(self, kind: str) -> Iterator[Pair]:
        """Iterate over name, image and hole of one of ``kinds``, the same every time."""
        from ..data import evaluation_pairs  # deferred: needs torch

        o = self.options
        return itertools.chain.from_iterable(
            evaluation_pairs(self._images, masks, size=o.size, seed=o.seed, count=o.count)
            for masks in self._masks[kind]
        )

    def summary(self) -> dict[str, Any]:
        """Describe the pairs, JSON-serialisable."""
        o = self.options
        return {
            "images": describe(self._images.source),
            "masks": {
                kind: [describe(source) for source in sources]
                for kind, sources in self._masks.items()
            },
            **{name: getattr(o, name) for name in ("size", "seed", "count", "batch")},
        }


class _Noting:
    """Images of another source, with a note of each that cannot be read."""

    def __init__(self, source: ImageSource, broken: dict[str, None]) -> None:
        self.source = source
        self._broken = broken

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def load(self, index: int, size: int, rng: np.random.Generator) -> Uint8:
        try:
            return self.source.load(index, size, rng)
        except BrokenImageError as error:
            self._broken[str(error)] = None
            raise


def _open_masks(spec: str, options: EvaluationOptions) -> list[MaskSource]:
    """Open one source, or one for each bucket. Folders are not augmented."""
    if spec in HOLE_CLASSES:
        return [ClassHoles(spec)]
    if options.buckets is None or spec in CENTRE:
        return [open_masks(spec, invert=options.mask_invert, augment=False)]
    return [
        open_masks(spec, buckets=[bucket], invert=options.mask_invert, augment=False)
        for bucket in options.buckets
    ]


def _short(specs: Sequence[str]) -> list[str]:
    """Name folders by their last part, as long as that tells them apart."""
    names = [Path(spec).name or spec for spec in specs]
    return names if len({*names}) == len(names) else list(specs)
