"""The way of an image through a file, the runtime, and another file."""

from pathlib import Path
from typing import Any

from csakit.runtime.images.encode import load_image, save_image
from PIL import Image


def carried(folder: Path, image: Image.Image, name: str, *, to: str = "", **metadata: Any) -> Any:  # noqa: ANN401
    """Save an image with metadata, and return what it becomes in the same or another format."""
    source, target = folder / f"in{name}", folder / f"out{to or name}"
    image.save(source, **metadata)
    save_image(load_image(source), target)
    with Image.open(target) as result:
        result.load()
        result.getexif()
    return result
