"""Input files of the warm-up requests that Triton runs before it reports ready.

The first run of a shape allocates memory and chooses algorithms. The image is synthetic, because
random bytes may be NaN as float32, and the hole leaves known pixels.
"""

from pathlib import Path
from typing import Final

import numpy as np

from ...runtime.contract import IMAGE, MASK
from ...runtime.tensors.pixels import Uint8, float_from_uint8
from .model_io import ModelIO

FOLDER: Final = "warmup"  # Triton looks in the folder of this name
_WAVES: Final = 3  # across the picture


def file_name(tensor: str, size: tuple[int, int]) -> str:
    """Return the file name of an input of size (H, W)."""
    return f"{tensor}_{size[1]}x{size[0]}.raw"


def write_files(form: ModelIO, folder: Path) -> None:
    """Write the inputs of the requests into the subfolder ``warmup`` of a model."""
    size = form.warm_size
    target = folder / FOLDER
    target.mkdir()
    for name, content in (IMAGE, picture(size)), (MASK, centre_hole(size)):
        data = _tensor(form, name, np.repeat(content[None], form.batch, axis=0))
        (target / file_name(name, size)).write_bytes(data)


def _tensor(form: ModelIO, name: str, content: Uint8) -> bytes:
    """Return (B, H, W, C) bytes as the model takes them, in row-major order."""
    if form.io == "uint8":
        return content.tobytes()
    if name == IMAGE:
        return float_from_uint8(content).tobytes()
    return np.ascontiguousarray(content.transpose(0, 3, 1, 2), dtype=np.float32).tobytes()


def picture(size: tuple[int, int]) -> Uint8:
    """Return an image of colour waves, (H, W, 3)."""
    height, width = size
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    phase = (2 * np.pi * _WAVES) * np.stack([down / height, right / width, (down + right) / width])
    waves: Uint8 = np.rint(127.5 + 100 * np.sin(phase)).astype(np.uint8).transpose(1, 2, 0)
    return waves


def centre_hole(size: tuple[int, int]) -> Uint8:
    """Return (H, W, 1), 1 in the middle quarter of the picture."""
    height, width = size
    hole = np.zeros((height, width, 1), dtype=np.uint8)
    hole[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    return hole
