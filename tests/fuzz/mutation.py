"""Mutations of files: the same for the same number, so that a find can be repeated."""

import itertools
import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "1"))  # of each fuzzer
FIRST: Final = int(os.environ.get("FUZZ_FIRST", "0"))  # number of the first mutation

_NUMBERS: Final = (0, 1, 7, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PACKINGS: Final = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")


def numbers() -> Iterator[int]:
    """Count mutations until the time is up; at least one."""
    end = time.monotonic() + SECONDS
    for number in itertools.count(FIRST):
        yield number
        if time.monotonic() > end:
            return


def mutate(data: bytes, number: int) -> bytes:
    """Return the data with one to four changes."""
    dice, changed = random.Random(number), bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        if changed:
            dice.choice(_CHANGES)(changed, dice)
    return bytes(changed)


def _place(data: bytearray, dice: random.Random) -> int:
    """Choose a byte; every other time near the start, where headers are."""
    return dice.randrange(min(len(data), dice.choice((64, 512, len(data)))))


def _flip(data: bytearray, dice: random.Random) -> None:
    data[_place(data, dice)] ^= 1 << dice.randrange(8)


def _write_number(data: bytearray, dice: random.Random) -> None:
    packing, at = dice.choice(_PACKINGS), _place(data, dice)
    size = struct.calcsize(packing)
    number = dice.choice(_NUMBERS) + dice.choice((-1, 0, 0, 1))
    data[at : at + size] = struct.pack(packing, number % (1 << 8 * size))


def _write_noise(data: bytearray, dice: random.Random) -> None:
    at, length = _place(data, dice), dice.choice((1, 4, 40))
    data[at : at + length] = dice.randbytes(length)


def _remove(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    del data[at : at + dice.choice((1, 2, 16, 200))]


def _repeat(data: bytearray, dice: random.Random) -> None:
    at, length = _place(data, dice), dice.choice((1, 8, 64, 1000))
    data[at:at] = data[at : at + length] * dice.choice((1, 1, 50))


def _cut(data: bytearray, dice: random.Random) -> None:
    del data[_place(data, dice) :]


_CHANGES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    *(_flip, _flip, _write_number, _write_number, _write_number),
    *(_write_noise, _remove, _repeat, _cut),
)
