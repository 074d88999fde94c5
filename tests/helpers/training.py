"""Configurations of runs small enough for a test: width 2, drawn images, no VGG, one process."""

from pathlib import Path
from typing import Any

import numpy as np
from csakit.train.training.config import TrainConfig
from csakit.train.training.config_file import SECTION_OF, Choice, build
from csakit.train.training.processes import start
from csakit.train.training.train_step import TrainStep
from PIL import Image

SMALL: dict[str, Any] = {
    "data": "procedural",
    "masks": "center",
    "workers": 0,
    "validation_count": 0,
    "width": 2,
    "consistency": 0.0,
    "patch_width": 8,
    "feature_patch": False,
    "steps": 4,
    "log_every": 1,
    "accelerator": "cpu",
}


def choice_of(**values: object) -> Choice:
    """Sort keys into their sections."""
    choice: Choice = {}
    for key, value in values.items():
        choice.setdefault(SECTION_OF[key], {})[key] = value
    return choice


def small_config(**values: object) -> TrainConfig:
    """Build ``SMALL`` with some keys changed."""
    return build(choice_of(**SMALL | values))


def train_step_of(**values: object) -> TrainStep:
    """Create the train step of ``small_config``."""
    config = small_config(**values)
    return TrainStep(config, start(config.engine))


def flags_of(**values: object) -> list[str]:
    """Write ``SMALL`` with some keys changed as flags of ``csakit train``."""
    return [word for key, value in (SMALL | values).items() for word in words_of(key, value)]


def words_of(key: str, value: object) -> list[str]:
    """Write one key as a user gives it."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]


def write_images(folder: Path, count: int) -> Path:
    """Write small pictures of smooth colours, each another."""
    folder.mkdir()
    for index in range(count):
        rng = np.random.default_rng(index)
        patches = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(patches).resize((256, 256), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index}.png")
    return folder
