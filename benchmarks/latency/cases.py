"""Photographs and masks that backends are timed on; the same in every run.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch

from ...export.parity.cases import BUNDLED, bundled_photograph
from ...export.parity.probe import as_float
from ...runtime.tensors.pixels import Float32
from ...train import CSAInpainter
from ...train.masks import Hole, centre_hole, freeform_hole
from ...train.networks.inpainter import feature_hole_of
from ..record import Scalar
from .plan import CENTRE, Plan

SEED: Final = 2019  # of the masks; the n-th image of a batch has SEED + n


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One batch of images with their holes."""

    size: int  # H and W
    batch: int  # B
    holes: str  # "center", or the share that strokes were drawn to cover
    image: Float32  # (B, 3, H, W) in [-1, 1]
    hole: Float32  # (B, 1, H, W), 1 = missing

    @property
    def name(self) -> str:
        """Description for messages."""
        return f"{self.size}x{self.size}, batch {self.batch}, holes {self.holes}"

    def described(self) -> Mapping[str, Scalar]:
        """Return the case for a record; ``feature_holes`` is the mean of its images."""
        positions = feature_hole_of(torch.from_numpy(self.hole)).sum() / self.batch
        return {
            "size": self.size,
            "batch": self.batch,
            "holes": self.holes,
            "hole_ratio": round(float(self.hole.mean()), 4),
            "feature_holes": round(float(positions), 1),
        }


def make_cases(plan: Plan) -> list[Case]:
    """Return every combination of the sizes, batches and holes of a plan."""
    return [
        _make(size, batch, holes)
        for size, batch, holes in itertools.product(
            dict.fromkeys(plan.sizes), dict.fromkeys(plan.batches), dict.fromkeys(plan.holes)
        )
    ]


def reference(model: CSAInpainter, case: Case) -> Float32:
    """Return the torch model's result (B, 3, H, W), the reference of every backend."""
    with torch.inference_mode():
        found = model(torch.from_numpy(case.image), torch.from_numpy(case.hole))
        return np.asarray(found)


def _make(size: int, batch: int, holes: str) -> Case:
    names = itertools.islice(itertools.cycle(BUNDLED), batch)
    photographs = [as_float(bundled_photograph(name, size, size)) for name in names]
    masks = [_mask(size, holes, SEED + n)[None] for n in range(batch)]
    image = np.ascontiguousarray(np.stack(photographs), dtype=np.float32)
    hole = np.stack(masks).astype(np.float32)
    return Case(size=size, batch=batch, holes=holes, image=image, hole=hole)


def _mask(size: int, holes: str, seed: int) -> Hole:
    if holes == CENTRE:
        return centre_hole(size, size)
    ratio = float(holes)
    return freeform_hole(size, size, np.random.default_rng(seed), ratio=(ratio, ratio))
