"""Validation of a run: PSNR in the hole of held-out images, and grids of pictures.

Letters: B images, H W sides in pixels.
"""

import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ...runtime.tensors.pixels import Uint8, float_from_uint8, uint8_from_float
from ..evaluation.grid import Cell, draw_grid, of_hole, with_hole
from ..evaluation.metrics import hole_psnr
from ..evaluation.scores import Pair
from ..networks.inpainter import CSAInpainter, Stages

_SHOWN: Final = 4  # rows of a grid
_PSNR_MAX_DB: Final = 99.0  # for perfect images, which would make the mean infinite


def validate(model: CSAInpainter, pairs: Sequence[Pair]) -> tuple[float, Uint8]:
    """Return mean PSNR in the hole of uint8 results in dB, and a grid; pairs run one by one."""
    device = next(model.parameters()).device
    figures: list[float] = []
    rows: list[list[Cell]] = []
    for name, picture, hole in pairs:
        image = torch.from_numpy(float_from_uint8(picture[None])).to(device)
        missing = torch.from_numpy(hole[None, None].astype(np.float32)).to(device)
        with torch.no_grad():
            stages = model.stages(image, missing)
        result = _pictures(stages.result)[0]
        figures.append(min(hole_psnr(result, picture, hole), _PSNR_MAX_DB))
        if len(rows) < _SHOWN:
            rows += _rows(stages, image, missing, [f"{name}: {figures[-1]:.1f} dB"])
    return statistics.fmean(figures), draw_grid(rows)


def training_grid(model: CSAInpainter, image: Tensor, hole: Tensor) -> Uint8:
    """Draw the results for the first images of a batch, (height, width, 3)."""
    image, hole = image[:_SHOWN], hole[:_SHOWN]
    with torch.no_grad():
        stages = model.stages(image, hole)
    return draw_grid(_rows(stages, image, hole, ["input"] * len(image)))


def _rows(stages: Stages, image: Tensor, hole: Tensor, labels: list[str]) -> list[list[Cell]]:
    """Draw input, mask, rough, refined and truth of each image of a batch."""
    truths, roughs, results = map(_pictures, (image, stages.rough, stages.result))
    holes = hole[:, 0].to("cpu").numpy() > 0
    return [
        [
            Cell(picture=with_hole(truth, missing), label=label),
            Cell(picture=of_hole(missing), label="mask"),
            Cell(picture=rough, label="rough"),
            Cell(picture=result, label="refined"),
            Cell(picture=truth, label="truth"),
        ]
        for truth, missing, rough, result, label in zip(
            truths, holes, roughs, results, labels, strict=True
        )
    ]


def _pictures(image: Tensor) -> Uint8:
    """Convert (B, 3, H, W) to (B, H, W, 3) uint8."""
    return uint8_from_float(image.float().to("cpu").numpy())
