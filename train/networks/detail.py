"""The detail network: texture deep in the hole, where only its manner can be right.

Letters: w the width, B images, H W sides in pixels, multiples of 256.

Deep in a hole the network that makes the least error makes the mean of everything possible,
which is a blur. This third network adds detail from noise. It sees what the attention took from
the known region, so that bark gets bark's and a sky none. Its output has no shades, and in holes of
up to 14 pixels it has no say, so the refined image stays what it is in both.

Convolutions follow bilinear enlargements: strided transposed ones draw grids of 8 pixels.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...runtime.contract import SIZE_MULTIPLE
from .generators import LEAK

_DEPTH_PX: Final = 7  # from the edge of the hole: detail begins here, and is whole at twice that
FEATURE_STRIDE: Final = 8  # pixels of the image for one position of features
_SHADE: Final = 9  # side of the mean that is taken off
_FIRST_DETAIL: Final = 0.1  # of the usual start of a last layer


class DetailNetwork(nn.Module):
    """Draws detail from noise by what the attention matched; width 16 has 0.11 million weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter_norm = nn.InstanceNorm2d(8 * width, affine=True)
        self.enter = nn.Conv2d(8 * width, 4 * width, kernel_size=3, padding=1)
        self.levels = nn.ModuleList(
            _DetailLevel(inner, outer, shrink)
            for inner, outer, shrink in (
                (4 * width, 2 * width, 4),
                (2 * width, width, 2),
                (width, width, 1),
            )
        )
        self.leave = nn.Conv2d(width, 3, kernel_size=3, padding=1)
        with torch.no_grad():
            self.leave.weight.mul_(_FIRST_DETAIL)
        self.noise = RepeatedNoise()

    def forward(self, attended: Tensor) -> Tensor:
        """Map (B, 8w, H/8, W/8) features to (B, 3, H, W) detail, in units of the contrast."""
        noise = self.noise(attended)
        h = F.leaky_relu(self.enter(self.enter_norm(attended)), LEAK)
        for level in self.levels:
            h = level(h, noise)
        detail: Tensor = self.leave(h)
        return detail - _mean(detail, _SHADE)


class RepeatedNoise(nn.Module):
    """The tile of noise, as often as the image needs it. A layer, because exports write it anew."""

    tile: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("tile", noise_tile(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (1, 1, H, W) noise for (B, C, H/8, W/8) features, in their type."""
        tiles = [side * FEATURE_STRIDE // SIZE_MULTIPLE for side in features.shape[2:]]
        return self.tile.to(features.dtype).repeat(1, 1, *tiles)


class _DetailLevel(nn.Module):
    """Double the size, and add noise to each channel, as much as the features ask for."""

    def __init__(self, inner: int, outer: int, shrink: int) -> None:
        super().__init__()
        self.shrink = shrink
        self.conv = nn.Conv2d(inner, outer, kernel_size=3, padding=1)
        self.share = nn.Conv2d(inner, outer, kernel_size=1)
        self.mix = nn.Conv2d(outer, outer, kernel_size=3, padding=1)

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        """Map (B, inner, h, w) to (B, outer, 2h, 2w); noise has the image's size."""
        h = F.interpolate(h, scale_factor=2.0, mode="bilinear", align_corners=False)
        if self.shrink > 1:  # the mean of n values has a deviation of 1 / sqrt(n)
            noise = self.shrink * F.avg_pool2d(noise, self.shrink)
        h = F.leaky_relu(self.conv(h) + self.share(h) * noise, LEAK)
        mixed: Tensor = F.leaky_relu(self.mix(h), LEAK)
        return mixed


def depth_weight(missing: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 near the edge of the hole and outside, rising to 1 at 14 pixels, (B, 1, H, W)."""
    side = 2 * _DEPTH_PX + 1
    near = F.max_pool2d((~missing).to(dtype), side, stride=1, padding=_DEPTH_PX)
    return _mean(1 - near, side)


def _mean(images: Tensor, side: int) -> Tensor:
    mean: Tensor = F.avg_pool2d(images, side, stride=1, padding=side // 2, count_include_pad=False)
    return mean


def noise_tile() -> Tensor:
    """Return (1, 1, 256, 256) noise of mean 0 and variance 1, the same on every machine.

    Each value is the sum of the four bytes of a hashed index, and so near enough to normal.

    Source: the hash is the finaliser of MurmurHash3, by Austin Appleby, in the public domain.
    """
    hashed = torch.arange(SIZE_MULTIPLE**2, dtype=torch.int64, device="cpu")
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        hashed = (hashed ^ (hashed >> shift)) * factor & 0xFFFFFFFF
    total = torch.stack([hashed >> shift & 0xFF for shift in (0, 8, 16, 24)]).sum(dim=0)
    noise: Tensor = (total - 2 * 255).float() / (4 * (256**2 - 1) / 12) ** 0.5
    noise = noise.half().float()  # files of float16 weights hold it exactly
    return noise.reshape(1, 1, SIZE_MULTIPLE, SIZE_MULTIPLE)
