"""A folder of small images to repair, and what repairs it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.plugins.versions import installed
from csakit.runtime import Inpainter
from csakit.runtime.batch.job import FileOptions
from csakit.runtime.batch.ray_worker import Settings
from csakit.runtime.cli.inpaint import main
from PIL import Image

from ..conftest import MakeModel


@pytest.fixture
def work(tmp_path: Path, photo: np.ndarray, make_model: MakeModel) -> Path:
    """A folder with a model, a mask and 24 small images, of which one is broken."""
    make_model()
    images = tmp_path / "images"
    images.mkdir()
    small = photo[:96, :128]
    for index in range(24):
        picture = Image.fromarray(np.roll(small, 5 * index, axis=1))
        picture.save(images / f"{index:02}.{('png', 'jpg', 'webp')[index % 3]}")
    (images / "03.png").write_bytes((images / "03.png").read_bytes()[:500])
    mask = np.zeros(small.shape[:2], np.uint8)
    mask[30:60, 40:80] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def inpaint(work: Path, output: str, *arguments: str) -> int:
    paths = (str(work / "images"), str(work / "mask.png"), "-o", str(work / output))
    return main([*paths, "--model", str(work / "model.onnx"), *arguments])


def settings(work: Path, **changes: Any) -> Settings:  # noqa: ANN401
    (work / "out").mkdir(exist_ok=True)
    plain = Settings(
        open_model=Inpainter.open,
        model=work / "model.onnx",
        threads=1,
        cache=False,
        files=FileOptions(),
        folders=(work / "images", work / "mask.png", work / "out"),
        output=work / "out",
        here=None,
        cpus=1,
        hashes=None,
        version=installed("csakit"),
    )
    return dataclasses.replace(plain, **changes)
