"""The two U-Nets of CSA inpainting, in plain torch (Liu et al., ICCV 2019, arXiv:1905.12384).

Letters: w the width (64 in the publication), B images, H W sides, multiples of 256. Decoders
concatenate the encoder tensor of their size *after* its activation: the published code activates in
place, and weights trained with it rely on that.
"""

import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

MULTIPLIERS: Final = (1, 2, 4, 8, 8, 8, 8, 8)  # channels of each level, in widths
ATTENTION_LEVEL: Final = 2  # index into the levels of the refinement network: H / 8, 8 w channels
LEAK: Final = 0.2  # slope of the encoder's LeakyReLU below zero
INIT_STD: Final = 0.02  # of convolution weights, as the published training starts


class RefinementOutput(NamedTuple):
    """The output and inner features of the refinement network, for losses and parity checks."""

    image: Tensor  # (B, 3, H, W), not clamped and not composited
    features: Tensor  # (B, 8w, H/8, W/8), what enters the attention
    attended: Tensor  # (B, 8w, H/8, W/8), what leaves it
    decoded: Tensor  # (B, 8w, H/8, W/8), the decoder's features of that size


class RoughNetwork(nn.Module):
    """First stage: a U-Net of 4x4 stride-2 convolutions; width 64 has 54.42 million parameters.

    Inputs are 3 channels, or 4 with the mask; a bounded output passes through tanh.
    """

    def __init__(self, width: int, *, inputs: int = 3, bounded: bool = True) -> None:
        super().__init__()
        self.bounded = bounded
        channels = [3, *(width * multiplier for multiplier in MULTIPLIERS)]
        innermost = len(MULTIPLIERS) - 1
        levels = nn.ModuleList(
            _RoughLevel(outer, inner, outermost=i == 0, innermost=i == innermost)
            for i, (outer, inner) in enumerate(itertools.pairwise(channels))
        )
        if inputs != channels[0]:
            levels[0].down = nn.Conv2d(inputs, width, kernel_size=4, stride=2, padding=1)
        self.levels = cast("Sequence[_RoughLevel]", levels)
        self.apply(initialise)

    def forward(self, filled: Tensor) -> Tensor:
        """Return a rough (B, 3, H, W) result of the filled image, with the mask last if used."""
        h, skips = filled, []
        for i, level in enumerate(self.levels):
            if i > 0:
                h = F.leaky_relu(h, LEAK)
                skips.append(h)
            h = level.down_norm(level.down(h))
        for level in reversed(self.levels):
            h = level.up_norm(level.up(F.relu(h)))
            if skips:
                h = torch.cat([h, skips.pop()], dim=1)
        return torch.tanh(h) if self.bounded else h


class _RoughLevel(nn.Module):
    """Both convolutions of one level. The outermost has no norms, the innermost has one."""

    def __init__(self, outer: int, inner: int, *, outermost: bool, innermost: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(outer, inner, kernel_size=4, stride=2, padding=1)
        self.down_norm = nn.Identity() if outermost or innermost else _norm(inner)
        self.up = nn.ConvTranspose2d(
            inner if innermost else 2 * inner, outer, kernel_size=4, stride=2, padding=1
        )
        self.up_norm = nn.Identity() if outermost else _norm(outer)


class RefinementNetwork(nn.Module):
    """Second stage: a U-Net with attention at its third level, at an eighth of the size.

    Width 64 has 77.69 million parameters. The attention maps (B, 8w, h, w) features and (B, 1, h,
    w) hole to features. Inputs are 6 channels, or 7 with the mask.
    """

    def __init__(self, width: int, attention: nn.Module, *, inputs: int = 6) -> None:
        super().__init__()
        channels = [width * multiplier for multiplier in MULTIPLIERS]
        self.enter = nn.Conv2d(inputs, width, kernel_size=3, padding=1)
        levels = nn.ModuleList(
            _RefinementLevel(outer, inner) for outer, inner in itertools.pairwise(channels)
        )
        self.levels = cast("Sequence[_RefinementLevel]", levels)
        self.innermost = _InnermostLevel(channels[-1])
        self.leave = _SameSize(2 * width, 3)
        self.apply(initialise)
        self.attention = attention

    def forward(self, composites: Tensor, feature_hole: Tensor) -> RefinementOutput:
        """Refine the rough result.

        ``composites`` are (B, 6, H, W): the rough result within the known image, then the image
        with 0 in its hole; or 7 channels with the mask last. ``feature_hole`` is (B, 1, H/8, W/8),
        1 in the hole.
        """
        h, skips = F.leaky_relu(self.enter(composites), LEAK), []
        for i, level in enumerate(self.levels):
            skips.append(h)
            h = level.widen(F.leaky_relu(level.shrink_norm(level.shrink(h)), LEAK))
            if i == ATTENTION_LEVEL:
                features = h
                h = attended = self.attention(features, feature_hole)
            h = F.leaky_relu(level.widen_norm(h), LEAK)
        h = torch.cat([self.innermost(h), h], dim=1)
        for i, level in reversed(list(enumerate(self.levels))):
            if i == ATTENTION_LEVEL:
                decoded = h[:, : features.shape[1]]
            h = F.relu(level.narrow_norm(level.narrow(F.relu(h))))
            h = torch.cat([level.grow_norm(level.grow(h)), skips.pop()], dim=1)
        return RefinementOutput(self.leave(F.relu(h)), features, attended, decoded)


class _RefinementLevel(nn.Module):
    """Down: halve the size, then widen. Up: narrow, then double the size."""

    def __init__(self, outer: int, inner: int) -> None:
        super().__init__()
        self.shrink = _dilated(outer)
        self.shrink_norm = _norm(outer)
        self.widen = nn.Conv2d(outer, inner, kernel_size=3, padding=1)
        self.widen_norm = _norm(inner)
        self.narrow = _SameSize(2 * inner, outer)
        self.narrow_norm = _norm(outer)
        self.grow = nn.ConvTranspose2d(outer, outer, kernel_size=4, stride=2, padding=1)
        self.grow_norm = _norm(outer)


class _InnermostLevel(nn.Module):
    """The innermost level: halves and doubles the size at constant width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shrink = _dilated(channels)
        self.grow = nn.ConvTranspose2d(channels, channels, kernel_size=4, stride=2, padding=1)
        self.grow_norm = _norm(channels)

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, 8w, h, w) to the same shape."""
        grown: Tensor = self.grow_norm(self.grow(F.relu(self.shrink(h))))
        return grown


class _SameSize(nn.ConvTranspose2d):
    """A 3x3 transposed convolution of stride 1.

    In training it runs as the equivalent convolution with the flipped kernel, which takes a third
    of the time in bfloat16 on a CPU. Exports keep the transposed convolution.
    """

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(inner, outer, kernel_size=3, padding=1)

    def forward(self, h: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (B, inner, H, W) to (B, outer, H, W)."""
        if not self.training:
            return super().forward(h, output_size)
        turned = self.weight.transpose(0, 1).flip(2, 3)
        return F.conv2d(h, turned, self.bias, padding=1)


def _dilated(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel_size=4, stride=2, padding=3, dilation=2)


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


def initialise(module: nn.Module) -> None:
    """Initialise a convolution as the published training does; ignore other modules."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
