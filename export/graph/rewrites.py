"""Exact rewrites of layers that ONNX Runtime computes slowly on a CPU.

Letters: B images, C channels in, K channels out, H W sides.

ONNX Runtime's transposed convolutions on the CPU are matrix products followed by a scatter;
its convolutions are direct, and vectorised in blocks of 16 channels. So transposed convolutions
become convolutions, those with few output channels compute blocks of pixels, and those with many
channels need fewer multiplications (``csakit.export.graph.winograd``). ``docs/decisions.md`` has
the gain of each, and what was tried and rejected.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...train import CSAInpainter
from .winograd import WinogradConvolution

# Along one axis, output 2i + a of a 4-tap, stride-2, padding-1 transposed convolution sums
# input i - 1 with tap 3 and input i with tap 1 where a = 0, and input i with tap 2 and
# input i + 1 with tap 0 where a = 1.
_TAPS: Final = ((3, 1), (2, 0))
_PHASES: Final = 4  # pixels of a 2x2 block
_BLOCK: Final = 16  # channels that ONNX Runtime computes at once, with AVX-512

# Side of the tiles, in results, by level of the refinement network: 4 where an image of 256x256
# has at least 32x32 positions; then 2, because tiles of 4 have four times the weights of a 3x3
# kernel. Deeper levels are limited by reading weights, not by arithmetic.
_TILES: Final[Mapping[int, int]] = {0: 4, 1: 4, 2: 4, 3: 2}
# Least taps * C K / (C + K), savings of tiles over cost of their transforms. In ONNX Runtime on
# one thread they took 0.83 of the time at 920, 0.89 at 770 (a fortieth of the latency for 14 MB of
# weights, not worth it), and were slower at 460.
_WORTH: Final = 900


def for_onnxruntime(model: CSAInpainter) -> None:
    """Replace the transposed convolutions, 3x3 of stride 1 or 4x4 of stride 2, in place."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.ConvTranspose2d):
                setattr(parent, name, as_convolution(layer))


def in_tiles(model: CSAInpainter) -> None:
    """Replace the large convolutions of a float32 refinement network by Winograd's, in place."""
    for index, tile in _TILES.items():
        level = model.refinement.levels[index]
        for name, layer in list(level.named_children()):
            if type(layer) is nn.Conv2d and _is_worth_tiles(layer):
                setattr(level, name, WinogradConvolution(layer, tile))


def as_convolution(layer: nn.ConvTranspose2d) -> nn.Module:
    """Return a convolution equal to a 3x3 stride-1 or 4x4 stride-2 transposed convolution."""
    form = (layer.kernel_size, layer.stride, layer.padding)
    few = _PHASES * layer.out_channels <= _BLOCK
    if form == ((3, 3), (1, 1), (1, 1)):
        return BlockConvolution(_turned(layer)) if few else _turned(layer)
    assert form == ((4, 4), (2, 2), (1, 1)), f"no rewrite for {layer}"
    return UpBlockConvolution(layer) if few else PhaseConvolution(layer)


class PhaseConvolution(nn.Module):
    """A 4x4 stride-2 transposed convolution as four 2x2 convolutions, interleaved."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        weight = layer.weight.detach().transpose(0, 1)  # (out, in, 4, 4)
        self.weights = nn.ParameterList(
            weight[:, :, _TAPS[a]][:, :, :, _TAPS[b]].contiguous() for a in (0, 1) for b in (0, 1)
        )
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K, 2H, 2W)."""
        rows = []
        for a in (0, 1):
            pair = [
                F.conv2d(F.pad(x, (1 - b, b, 1 - a, a)), self.weights[2 * a + b], self.bias)
                for b in (0, 1)
            ]
            rows.append(_interleaved(pair, axis=3))
        # Columns first: pixel_shuffle of all four at once took 0.92 instead of 0.84.
        return _interleaved(rows, axis=2)


class UpBlockConvolution(nn.Module):
    """A 4x4 stride-2 transposed convolution of few channels as one 3x3 convolution.

    Four separate convolutions would leave most of a block of 16 channels unused.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        weight = layer.weight.detach().transpose(0, 1)  # (out, in, 4, 4)
        outer, inner = weight.shape[:2]
        kernels = torch.zeros(outer, 2, 2, inner, 3, 3)
        for a in (0, 1):
            for b in (0, 1):
                taps = weight[:, :, _TAPS[a]][:, :, :, _TAPS[b]]
                kernels[:, a, b, :, a : a + 2, b : b + 2] = taps
        self.blocks = _convolution(kernels.flatten(0, 2), layer.bias, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K, 2H, 2W)."""
        return F.pixel_shuffle(self.blocks(x), 2)


class BlockConvolution(nn.Module):
    """A 3x3 convolution of few channels, for even sides, as one 4x4 that computes 2x2 blocks."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        weight = layer.weight.detach()
        kernels = torch.zeros(len(weight), 2, 2, layer.in_channels, 4, 4)
        for a in (0, 1):
            for b in (0, 1):
                kernels[:, a, b, :, a : a + 3, b : b + 3] = weight
        self.blocks = _convolution(kernels.flatten(0, 2), layer.bias, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K, H, W)."""
        return F.pixel_shuffle(self.blocks(x), 2)


def _is_worth_tiles(layer: nn.Conv2d) -> bool:
    inner, outer = layer.in_channels, layer.out_channels
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    return taps * inner * outer >= _WORTH * (inner + outer)


def _turned(layer: nn.ConvTranspose2d) -> nn.Conv2d:
    """Return a 3x3 stride-1 transposed convolution as a convolution with the flipped kernel."""
    return _convolution(
        layer.weight.detach().transpose(0, 1).flip(2, 3), layer.bias, stride=1, repeated=1
    )


def _convolution(
    weight: Tensor, bias: Tensor | None, *, stride: int, repeated: int = _PHASES
) -> nn.Conv2d:
    """Create a convolution of padding 1, each bias repeated for consecutive channels."""
    outer, inner, side, _ = weight.shape
    layer = nn.Conv2d(inner, outer, side, stride=stride, padding=1, bias=bias is not None)
    layer.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().repeat_interleave(repeated))
    return layer


def _interleaved(pair: list[Tensor], axis: int) -> Tensor:
    """Alternate the values of two (B, C, H, W) along an axis."""
    shape = list(pair[0].shape)
    shape[axis] *= 2
    return torch.stack(pair, dim=axis + 1).reshape(shape)
