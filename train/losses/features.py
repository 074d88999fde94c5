"""Features loss: distance of EfficientNet's features from those of the truth, deep in the hole.

Half of it compares position by position, which keeps shapes in place. The other half compares the
sorted values of each channel over the hole, which keeps texture where positions cannot be
predicted: a sliced Wasserstein distance (Heitz et al., CVPR 2021, arXiv:2006.07229).
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...plugins.spec import HOLE_THRESHOLD

_DEPTH_PX: Final = 6  # nearer to the border, the reconstruction loss is enough
_LEAST_PLACES: Final = 16  # the least to compare distributions of


def features_loss(
    image: Tensor,
    truth: Tensor,
    hole: Tensor,
    network: Callable[[Tensor], Sequence[Tensor]],
) -> Tensor:
    """Return the features loss where the hole is deeper than 6 pixels, a float32 scalar.

    Images are (B, 3, H, W) in [-1, 1], not composited, ``hole`` (B, 1, H, W), 1 = missing;
    ``network`` maps images to (B, C, H/n, W/n) of several sizes. Each channel is divided by its
    root mean square over the truth's batch. The loss is 0 if no hole is that deep.
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
        features, goal = ours.float() / unit, theirs.float() / unit
        difference = (features - goal).abs().mean(dim=1, keepdim=True)
        total = total + (weight * difference).sum() / weight.sum().clamp(min=1)
        total = total + _distribution_distance(features, goal, weight >= 0.5)
    return total / (2 * len(wanted))


def _distribution_distance(features: Tensor, wanted: Tensor, deep: Tensor) -> Tensor:
    """Compare each channel of (B, C, H, W) features, sorted, where the hole is deep."""
    distances = []
    for ours, theirs, mask in zip(features, wanted, deep[:, 0], strict=True):
        if mask.sum() >= _LEAST_PLACES:
            first, second = torch.stack([ours[:, mask], theirs[:, mask]]).sort(dim=2).values
            distances.append((first - second).abs().mean())
    return torch.stack(distances).mean() if distances else features.new_zeros(())
