"""Inputs that look like a network's own; those of the benchmarks, and images and masks."""

import numpy as np
from csakit.benchmarks.features import Floats as Floats
from csakit.benchmarks.features import feature_like as feature_like
from csakit.benchmarks.features import smooth


def image_like(rng: np.random.Generator, batch: int, height: int, width: int) -> Floats:
    """Draw (B, 3, H, W) smooth images in (-1, 1)."""
    return np.tanh(smooth(rng, (batch, 3, height, width), grain=32)).astype(np.float32)


def random_hole(
    rng: np.random.Generator, batch: int, height: int, width: int, *, share: float = 0.4
) -> Floats:
    """Draw (B, 1, H, W) masks of 0 and 1, each image its own; scattered, borders too."""
    return (rng.random((batch, 1, height, width)) < share).astype(np.float32)
