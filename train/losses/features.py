"""Features loss: deep in the hole, EfficientNet's features must be those of the truth.

Letters: B images, C channels, H W sides in pixels.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...plugins.spec import HOLE_THRESHOLD

_DEPTH_PX: Final = 6  # less deep, reconstruction alone decides: there is one right answer


def features_loss(
    image: Tensor, truth: Tensor, hole: Tensor, network: Callable[[Tensor], Sequence[Tensor]]
) -> Tensor:
    """Compare features of the composite and the truth where the hole is deeper than 6 pixels.

    Each channel counts in units of its root mean square over the truth's batch.

    Args:
        image: (B, 3, H, W), not composited.
        truth: (B, 3, H, W) in [-1, 1].
        hole: (B, 1, H, W), 1 where pixels are missing.
        network: maps images to (B, C, H/n, W/n) of several sizes.

    Returns:
        Scalar float32: the mean over sizes of the mean absolute difference; 0 where no hole is
        that deep.
    """
    missing = hole > HOLE_THRESHOLD
    side = 2 * _DEPTH_PX + 1
    near_known = F.max_pool2d((~missing).float(), side, stride=1, padding=_DEPTH_PX)
    deep = 1 - near_known
    composite = torch.where(missing, image.float(), truth.float())
    with torch.no_grad():
        wanted = network(truth.float())
    total = composite.new_zeros(())
    for ours, theirs in zip(network(composite), wanted, strict=True):
        weight = F.avg_pool2d(deep, kernel_size=deep.shape[2] // theirs.shape[2])
        unit = theirs.float().square().mean(dim=(0, 2, 3), keepdim=True).add(1e-8).sqrt()
        difference = ((ours.float() - theirs.float()) / unit).abs().mean(dim=1, keepdim=True)
        total = total + (weight * difference).sum() / weight.sum().clamp(min=1)
    return total / len(wanted)
