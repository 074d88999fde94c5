"""Pairs and models whose errors a pencil computes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from csakit.train.evaluation.models import Model
from csakit.train.evaluation.scores import Pair, Run

SIDE = 40  # px; evaluation itself asks for no multiple of 256
GREY = 100  # of an image that is not told otherwise


def lighter(steps: float) -> Run:
    """Return a model whose results are its images, lighter by steps of 255."""

    def run(images: npt.NDArray[np.float32], holes: npt.NDArray[np.float32]) -> np.ndarray:
        return images + np.float32(steps / 127.5)

    return run


def lighter_by_grey(steps: dict[int, float]) -> Run:
    """Return a model that errs by steps of 255 that depend on the grey level of the image."""

    def run(images: npt.NDArray[np.float32], holes: npt.NDArray[np.float32]) -> np.ndarray:
        levels = np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int)
        errors = np.array([steps[level] for level in levels], dtype=np.float32)
        return images + errors[:, None, None, None] / np.float32(127.5)

    return run


def pair(name: str = "grey", *, missing: int = 160, grey: int = GREY) -> Pair:
    """Return an image of one grey and a hole of so many of its 1600 pixels, the last ones."""
    hole = np.zeros(SIDE * SIDE, dtype=bool)
    hole[hole.size - missing :] = True
    return name, np.full((SIDE, SIDE, 3), grey, dtype=np.uint8), hole.reshape(SIDE, SIDE)


def model_of(run: Run, name: str = "model.onnx", **facts: object) -> Model:
    """Describe a model that is open."""
    path = Path("/somewhere") / name
    return Model(path=path, sha256="5" * 64, backend="torch", size=None, facts=facts, run=run)
