"""Reconstruction loss: L1 error of both networks' images.

With I_p the rough and I_r the refined image, L_r = |I_p - I_gt|_1 + |I_r - I_gt|_1. The norms are
means over all pixels and channels, as in the published code, of images as the networks return them.
"""

from typing import Final

import torch
from torch import Tensor

from ...plugins.errors import ContractError
from ...plugins.spec import HOLE_THRESHOLD

# 2.5 of 255 levels: errors count less where the baseline is already good.
_FLOOR: Final = 0.02


def reconstruction_loss(image: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error of an image, a float32 scalar.

    Both are (B, 3, H, W) in [-1, 1], the image as a network returns it. With batches of one size,
    the mean over processes is the loss of the whole batch.

    Raises:
        ContractError: the shapes differ.
    """
    if image.shape != truth.shape:
        raise ContractError(
            "image and truth must have one shape; got "
            f"{tuple(image.shape)} and {tuple(truth.shape)}"
        )
    return (image.float() - truth.detach().float()).abs().mean()


def relative_loss(image: Tensor, truth: Tensor, baseline: Tensor, hole: Tensor) -> Tensor:
    """Return the error in the hole relative to that of a baseline, a float32 scalar.

    Smooth and textured images, small and large holes count alike, as in a mean of decibels.
    Images are (B, 3, H, W), ``hole`` (B, 1, H, W), 1 = missing; no gradient goes to the baseline.
    The loss is the average of two ratios, of mean absolute errors and of root mean squares: 0 if
    the image is the truth, near 1 if it is the baseline.

    Raises:
        ContractError: the shapes differ.
    """
    if not image.shape == truth.shape == baseline.shape:
        raise ContractError(
            "image, truth and baseline must have one shape; got "
            f"{tuple(image.shape)}, {tuple(truth.shape)}, {tuple(baseline.shape)}"
        )
    target, missing = truth.detach().float(), hole > HOLE_THRESHOLD
    count = image.shape[1] * missing.sum(dim=(1, 2, 3)).clamp(min=1)
    mean, root = _errors(image.float() - target, missing, count)
    with torch.no_grad():
        base_mean, base_root = _errors(baseline.float() - target, missing, count)
    ratios = mean / (base_mean + _FLOOR) + root / (base_root + _FLOOR)
    return ratios.mean() / 2


def _errors(error: Tensor, missing: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean absolute error and root mean square in the hole of each image, (B,)."""
    inside = torch.where(missing, error, 0.0)
    mean = inside.abs().sum(dim=(1, 2, 3)) / count
    # the epsilon bounds the slope of the root at no error
    return mean, (inside.square().sum(dim=(1, 2, 3)) / count + 1e-6).sqrt()
