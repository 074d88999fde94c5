"""Sources of image files: a path, or bytes in memory with a name for messages."""

import dataclasses
import io
from pathlib import Path
from typing import BinaryIO


@dataclasses.dataclass(frozen=True)
class ImageBytes:
    """The content of an image file in memory."""

    data: bytes  # all of its bytes
    name: str = "the image"  # for messages only; no such file is opened

    def open(self, mode: str = "rb") -> BinaryIO:
        """Return the bytes as a file, as ``Path.open`` does; ``mode`` is always "rb"."""
        return io.BytesIO(self.data)

    def __str__(self) -> str:
        return self.name


Source = Path | ImageBytes


def pillow_file(source: Source) -> Path | BinaryIO:
    """Return a path or file for ``Image.open``, which closes it."""
    return source if isinstance(source, Path) else source.open()
