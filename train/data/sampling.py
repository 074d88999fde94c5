"""Training samples by position in the run. S is a side in pixels."""

import dataclasses
import enum
import functools
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from ...plugins.errors import ContractError, CsakitError
from .protocols import BrokenImageError, Hole, ImageSource, MaskSource, Pixels


class Stream(enum.IntEnum):
    """The purpose of a random generator; each has an independent stream."""

    ORDER = 0
    IMAGE = 1
    MASK = 2
    EVALUATION_IMAGE = 3
    EVALUATION_MASK = 4


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return a generator for one purpose; ``key`` separates its uses, such as (epoch, index)."""
    # A spawn key is kept apart from the seed, however long either is; a plain list is not.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *key)))


@functools.lru_cache(maxsize=2)  # a batch may span two epochs; one of 1.8 million takes 14 MB
def permutation(seed: int, epoch: int, length: int) -> npt.NDArray[np.int64]:
    """Return the order of the images in an epoch."""
    return generator(seed, Stream.ORDER, epoch).permutation(length)


# If half of all files were broken, that many in a row would come once in 10^19 images.
ATTEMPTS: Final = 64


class Sample(NamedTuple):
    """One image with its hole."""

    image: Pixels  # (S, S, 3)
    hole: Hole  # (S, S)
    broken: tuple[str, ...]  # a line for each file that was skipped


class Failure(NamedTuple):
    """The error in place of a sample; a worker's exception would arrive as a traceback."""

    message: str


@dataclasses.dataclass(eq=False)
class TrainingSamples(Dataset["Sample | Failure"]):
    """The endless data set of a run, indexed by position in the run."""

    images: ImageSource
    masks: MaskSource
    size: int
    seed: int

    def __getitem__(self, position: int) -> "Sample | Failure":
        """Return the sample at a position of the run, from 0, or why there is none."""
        epoch, slot = divmod(position, len(self.images))
        try:
            image, broken = self._image(epoch, slot)
            hole, broken_masks = draw_hole(
                *(self.masks, self.size, self.seed, Stream.MASK, epoch, slot)
            )
        except CsakitError as error:
            return Failure(str(error))
        return Sample(image, hole, (*broken, *broken_masks))

    def _image(self, epoch: int, slot: int) -> tuple[Pixels, list[str]]:
        """Load the image of a slot, or if it is broken the next readable one of the epoch."""
        length, broken = len(self.images), list[str]()
        order = permutation(self.seed, epoch, length)
        for attempt in range(min(length, ATTEMPTS)):
            index = int(order[(slot + attempt) % length])
            rng = generator(self.seed, Stream.IMAGE, epoch, index, attempt)
            try:
                return self.images.load(index, self.size, rng), broken
            except BrokenImageError as error:
                broken.append(str(error))
        raise ContractError(
            f"at least one image must be readable; {len(broken)} in a row are not, the first: "
            f"{broken[0]}"
        )


def draw_hole(
    masks: MaskSource, size: int, seed: int, stream: Stream, *key: int
) -> tuple[Hole, list[str]]:
    """Draw an (S, S) hole, skipping broken files; also return a line for each of them."""
    broken = list[str]()
    for attempt in range(ATTEMPTS):
        try:
            return masks.draw(size, generator(seed, stream, *key, attempt)), broken
        except BrokenImageError as error:
            broken.append(str(error))
    # A source filtered by size may meet a broken file each time before a hole fits.
    raise ContractError(
        "at least one mask must be readable and leave a hole of a requested size; "
        f"{ATTEMPTS} in a row do not, the first: {broken[0]}"
    )
