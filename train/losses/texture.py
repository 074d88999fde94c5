"""Texture loss: distance between the distributions of patches in the hole and in the truth.

Letters: B images, H W sides in pixels, K kernels.

A mean of errors is least for the average of all plausible results, which is a blur. This loss is
the sliced Wasserstein distance of 7x7 patches on three levels of a pyramid, relative to the truth's
responses: 0 is the truth's texture, 1 is none. Each direction is the difference of two pixels;
dense random ones measure little but the variance of a patch.

Strided layers tend to draw grids, so a second term penalises detail that repeats every 8 or 16
pixels more than the truth's.

Source: Rabin et al., SSVM 2011; Heitz et al., CVPR 2021, arXiv:2006.07229.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...plugins.spec import HOLE_THRESHOLD

_LEVELS: Final = 3
_KERNELS: Final = 32
_SIDE: Final = 7  # of a patch
_MOST_PLACES: Final = 1024  # of an image and level; more do not change the result
_LEAST_PLACES: Final = 16  # the least to compare distributions of
_DETAIL: Final = 5  # side of the local mean that is subtracted; else shading outweighs texture
_PERIODS: Final = (8, 16)  # pixels; strides of the levels that draw detail
_FLOOR: Final = 0.02  # added to responses: tolerates small errors where the truth is smooth


def texture_loss(image: Tensor, truth: Tensor, hole: Tensor, generator: torch.Generator) -> Tensor:
    """Return the texture loss of patches that are at least half in the hole, a float32 scalar.

    Images are (B, 3, H, W) in [-1, 1], not composited, ``hole`` (B, 1, H, W), 1 = missing. The
    generator, on the CPU, draws the kernels and, in large holes, the patches. The loss is the mean
    over images with such patches, which thin holes lack; 0 if there are none.
    """
    kernels = _draw_kernels(generator).to(truth.device)
    missing = (hole > HOLE_THRESHOLD).float()
    composite = torch.where(missing > 0, image.float(), truth.float())
    distances, repetitions = [], []
    for one, wanted, mask in zip(composite, truth.float(), missing, strict=True):
        if levels := _distances(one, wanted, mask, kernels, generator):
            distances += levels
            repetitions.append(_repetition(one, wanted, mask))
    if not distances:
        return 0.0 * image.float().sum()  # every process must have a gradient
    return torch.stack(distances).mean() + torch.stack(repetitions).mean()


def _draw_kernels(generator: torch.Generator) -> Tensor:
    """Draw (K, 3, 7, 7) kernels: the difference of two places, in a random mixture of colours."""
    places = torch.rand(_KERNELS, _SIDE**2, generator=generator).topk(2, dim=1).indices
    signs = torch.zeros(_KERNELS, _SIDE**2).scatter_(
        1, places, torch.tensor([[1.0, -1.0]]).expand(_KERNELS, -1)
    )
    colours = F.normalize(torch.randn(_KERNELS, 3, generator=generator), dim=1)
    return (colours[:, :, None] * signs[:, None]).reshape(_KERNELS, 3, _SIDE, _SIDE)


def _distances(
    image: Tensor, truth: Tensor, missing: Tensor, kernels: Tensor, generator: torch.Generator
) -> list[Tensor]:
    """Compare one image (3, H, W) with its truth on each level that has enough patches."""
    pair, mask = torch.stack([image, truth]), missing[None]
    distances = []
    for level in range(_LEVELS):
        if level:
            pair, mask = F.avg_pool2d(pair, 2), F.avg_pool2d(mask, 2)
        if min(pair.shape[2:]) < _SIDE:
            break
        share = F.avg_pool2d(mask, _SIDE, stride=1)[0, 0]
        places = (share >= 0.5).nonzero()
        if len(places) < _LEAST_PLACES:
            break
        if len(places) > _MOST_PLACES:
            drawn = torch.randint(len(places), (_MOST_PLACES,), generator=generator)
            places = places[drawn.to(places.device)]
        # Only the patches that are compared: convolving whole images takes ten times as long.
        detail = pair - F.avg_pool2d(pair, _DETAIL, 1, _DETAIL // 2, count_include_pad=False)
        responses = torch.einsum("bcpij,kcij->bkp", _patches(detail, places), kernels)
        ours, wanted = responses.sort(dim=2).values
        errors, units = (ours - wanted).abs().mean(dim=1), wanted.abs().mean(dim=1)
        distances.append((errors / (units + _FLOOR)).mean())
    return distances


def _repetition(image: Tensor, truth: Tensor, missing: Tensor) -> Tensor:
    """Return how much more an image's detail repeats than the truth's, in units of the truth's."""
    pair = torch.stack([image, truth])
    detail = missing * (pair - F.avg_pool2d(pair, _DETAIL, 1, _DETAIL // 2))
    unit = (detail[1].square().sum() / (len(image) * missing.sum())).sqrt() + _FLOOR
    total = image.new_zeros(())
    for period in _PERIODS:
        means = _folded(detail, period) / _folded(missing[None], period).clamp(min=1)
        ours, wanted = (means.square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
        total = total + F.relu(ours - wanted) / unit
    return total / len(_PERIODS)


def _folded(images: Tensor, period: int) -> Tensor:
    """Sum (B, C, H, W) over places that are a period apart: (B, C, period, period)."""
    blocks = [side // period for side in images.shape[2:]]
    split = images.reshape(*images.shape[:2], blocks[0], period, blocks[1], period)
    return split.sum(dim=(2, 4))


def _patches(images: Tensor, places: Tensor) -> Tensor:
    """Return the patches (B, C, P, 7, 7) whose top left pixels are at P places."""
    reach = torch.arange(_SIDE, device=places.device)
    rows = places[:, 0, None, None] + reach[:, None]
    columns = places[:, 1, None, None] + reach
    return images[:, :, rows, columns]
