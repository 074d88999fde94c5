"""Which image comes when, and the generators that draw everything else.

Every random choice hangs on (seed, stream, epoch, index) alone, so that a sample is the same
in any worker, on any rank, and after any resume.
"""

import enum
import functools

import numpy as np
import numpy.typing as npt


class Stream(enum.IntEnum):
    """What a generator is for. Streams are independent of each other."""

    ORDER = 0
    IMAGE = 1
    MASK = 2
    EVALUATION_IMAGE = 3
    EVALUATION_MASK = 4


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the generator of one purpose.

    Args:
        seed: of the run; not negative, of any size.
        stream: the purpose.
        key: what tells its uses apart, as (epoch, index). Each not negative.

    Returns:
        A generator; the same arguments give the same one.
    """
    # A spawn key is kept apart from the seed, however long either is; a plain list is not.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *key)))


def place(position: int, length: int) -> tuple[int, int]:
    """Split a position of the endless order into an epoch and a place within it.

    Args:
        position: how many samples come before it in the whole run.
        length: samples in an epoch.

    Returns:
        (epoch, place).
    """
    return divmod(position, length)


def image_at(seed: int, epoch: int, slot: int, length: int) -> int:
    """Return the image at a place of an epoch's permutation.

    Args:
        seed: of the run.
        epoch: from 0.
        slot: place within the epoch, 0 to ``length`` - 1.
        length: images in an epoch.

    Returns:
        The index of the image.
    """
    return int(_permutation(seed, epoch, length)[slot])


@functools.lru_cache(maxsize=2)  # a batch may span two epochs; one of 1.8 million takes 14 MB
def _permutation(seed: int, epoch: int, length: int) -> npt.NDArray[np.int64]:
    return generator(seed, Stream.ORDER, epoch).permutation(length)
