"""Image files for tests of data sets: small, all different, recognisable by a corner."""

from pathlib import Path

import numpy as np
from PIL import Image


def gradient(width: int, height: int) -> np.ndarray:
    """(height, width, 3): red grows to the right, green downwards, blue is 128."""
    red = np.linspace(0, 255, width)[None, :].repeat(height, axis=0)
    green = np.linspace(0, 255, height)[:, None].repeat(width, axis=1)
    return np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8)


def write_picture(path: Path, width: int = 48, height: int = 40, level: int = 0) -> Path:
    """A plain picture of one grey level, so that a test can tell which one it got."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (level, level, level)).save(path)
    return path


def write_mask(path: Path, share: float, side: int = 64) -> Path:
    """White in the upper ``share`` of the rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((side, side), dtype=np.uint8)
    mask[: round(share * side)] = 255
    Image.fromarray(mask).save(path)
    return path


def break_files(folder: Path) -> list[str]:
    """Write one file of each way to be broken; return their names, sorted."""
    Image.new("1", (20000, 20000)).save(folder / "bomb.png")  # 400 million pixels, 50 kB
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    Image.fromarray(gradient(64, 64)).save(folder / "truncated.jpg")
    whole = (folder / "truncated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    corrupt = bytearray(whole)
    corrupt[2:40] = b"\0" * 38
    (folder / "corrupt.jpg").write_bytes(corrupt)
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    return ["bomb.png", "corrupt.jpg", "dangling.png", "empty.png", "text.jpg", "truncated.jpg"]
