"""Millions of file names in two arrays instead of millions of objects.

Each worker process gets a copy of a source. 1.8 million strings cost 200 MB and half a second
in each; the same text in one block costs its own size.
"""

from collections.abc import Iterable

import numpy as np


class Names:
    """An immutable sequence of strings.

    Args:
        names: in order. They are kept as file systems see them, undecodable bytes included.
    """

    def __init__(self, names: Iterable[str]) -> None:
        parts = [name.encode("utf-8", "surrogateescape") for name in names]
        self._text = b"".join(parts)
        self._ends = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        """Return one of them.

        Raises:
            IndexError: there is no such one; negative numbers are not taken.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in 0..{len(self) - 1}; got {index}")
        start, end = self._ends[index : index + 2]
        return self._text[start:end].decode("utf-8", "surrogateescape")
