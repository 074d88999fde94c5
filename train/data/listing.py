"""Lists of image files: from folders, and from the lists that data sets come with."""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ...runtime.images.decode import INPUT_SUFFIXES

HOLD_OUT: Final = 20  # one file in 20 is for validation if a set has no split of its own


def check_folder(folder: Path, what: str) -> None:
    """Check that a folder exists; ``what`` names it in the error."""
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise ContractError(f"{what} must be a folder; {folder} {problem}")


def walk(folder: Path) -> Iterator[str]:
    """Yield the image files below a folder, sorted, relative to it; links are followed once."""
    seen: set[tuple[int, int]] = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(path)  # noqa: PTH116 - one system call for each folder
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        prefix = os.path.relpath(path, folder).replace(os.sep, "/")
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in INPUT_SUFFIXES:  # noqa: PTH122
                yield name if prefix == "." else f"{prefix}/{name}"


def read_list(path: Path) -> list[list[str]]:
    """Return the columns of each line of a text file, split at spaces, in a ``.csv`` at commas."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise ContractError(f"cannot read the list {path}: {error.strerror}") from error
    separator = "," if path.suffix == ".csv" else None
    return [line.split(separator) for line in text.splitlines() if line.strip()]


def present(names: Iterable[str], folder: Path) -> list[str]:
    """Return the names whose parent folder exists: large data sets are often incomplete."""
    # Files are not checked: there may be millions, on a network.
    known: dict[str, bool] = {}
    kept = []
    for name in names:
        parent = name.rpartition("/")[0]
        if parent not in known:
            known[parent] = (folder / parent).is_dir()
        if known[parent]:
            kept.append(name)
    return kept


def hold_out(names: list[str]) -> tuple[list[str], list[str]]:
    """Split names into training names and, about one in ``HOLD_OUT``, validation names."""
    # The name alone decides, so that added files move no others.
    chosen = {name for name in names if _hash(name) % HOLD_OUT == 0}
    if len(names) > 1 and not 0 < len(chosen) < len(names):
        chosen = {min(names, key=_hash)}
    return [n for n in names if n not in chosen], [n for n in names if n in chosen]


def _hash(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))


class NameList:
    """An immutable sequence of strings in one block of bytes, undecodable ones included.

    Each worker gets a copy; 1.8 million strings would cost 200 MB and half a second in each.
    """

    def __init__(self, names: Iterable[str]) -> None:
        parts = [name.encode("utf-8", "surrogateescape") for name in names]
        self._text = b"".join(parts)
        self._ends = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        start, end = self._ends[index : index + 2]
        return self._text[start:end].decode("utf-8", "surrogateescape")
