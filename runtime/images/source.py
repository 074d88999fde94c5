"""Where an image file comes from: a path, or bytes in memory with a name for messages."""

import dataclasses
import io
from pathlib import Path
from typing import BinaryIO


@dataclasses.dataclass(frozen=True)
class ImageBytes:
    """The content of an image file; the name is for messages alone."""

    data: bytes  # all of its bytes
    name: str = "the image"  # what messages call it; no file of that name is opened

    def open(self, mode: str = "rb") -> BinaryIO:
        """Return the bytes as a file, as ``Path.open`` does; ``mode`` is always "rb"."""
        return io.BytesIO(self.data)

    def __str__(self) -> str:
        return self.name


Source = Path | ImageBytes


def pillow_file(source: Source) -> Path | BinaryIO:
    """Return what Pillow opens and closes by itself."""
    return source if isinstance(source, Path) else source.open()
