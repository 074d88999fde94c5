"""Winograd convolutions, for runtimes whose own convolutions are direct.

Letters: B images, C channels in, K channels out, H W sides, r taps along an axis, m the side
of a tile of results, a = m + r - 1 the side of the inputs that a tile depends on, T tiles.

A tile of results takes a x a products per pair of channels instead of (r m) x (r m): 36 instead
of 144 for 3 taps and tiles of 4. Inputs and results need a transform each, so this is faster with
many channels in and out, and slower with few channels and many pixels.

Transform of the inputs: a convolution of fixed a x a kernels, every channel by itself.
Products: one matrix product for each of the a x a. Transform of the results: one more.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
arXiv:1509.09308. Deviation: other points than 0, +-1, +-2; see ``_POINTS``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

# Interpolation points besides infinity, by (m, r), chosen for small rounding errors: in float32,
# with 256 channels and relative to the results' spread, the largest are 2e-6, 1e-5 (4e-5 with 0,
# +-1, +-2), 5e-6 and 2e-5; of a direct convolution 1e-6.
_POINTS: Final[Mapping[tuple[int, int], Sequence[float]]] = {
    (2, 3): (0, 1, -1),
    (4, 3): (0, 0.75, -0.75, 1.5, -1.5),
    (2, 4): (0.5, -0.5, 1.5, -1.5),
    (4, 4): (0.4, -0.4, 0.875, -0.875, 1.75, -1.75),
}

Matrix = npt.NDArray[np.float64]


class WinogradConvolution(nn.Module):
    """A 3x3 or 4x4 convolution (dilation equal to stride) computed in tiles of m x m results."""

    results: Tensor
    inputs: Tensor

    def __init__(self, layer: nn.Conv2d, tile: int) -> None:
        super().__init__()
        step, taps = layer.stride[0], layer.kernel_size[0]
        assert layer.stride == layer.dilation == (step, step), f"no tiles for {layer}"
        assert layer.padding == (taps - 1 if step > 1 else taps // 2,) * 2, f"no tiles for {layer}"
        results, kernels, inputs = transforms(tile, taps)
        weight = layer.weight.detach().double().numpy()
        transformed = np.einsum("ai,kcij,bj->abkc", kernels, weight, kernels)
        self.tile, self.step, self.padding = tile, step, layer.padding
        self.weights = nn.Parameter(_float32(transformed.reshape(-1, 1, *weight.shape[:2])))
        both_axes = np.einsum("ai,bj->abij", inputs, inputs).reshape(-1, 1, *inputs.shape)
        self.register_buffer("inputs", _float32(both_axes))  # (a a, 1, a, a)
        self.register_buffer("results", _float32(np.kron(results, results)))  # (m m, a a)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K, H / step, W / step)."""
        batch, channels, height, width = x.shape
        m, kinds = self.tile, len(self.weights)
        rows, columns = height // (m * self.step), width // (m * self.step)
        alone = x.reshape(-1, 1, height, width)
        tiles = F.conv2d(
            alone, self.inputs, stride=m * self.step, dilation=self.step, padding=self.padding
        )
        tiles = tiles.transpose(0, 1).reshape(kinds, batch, channels, rows * columns)
        products = torch.matmul(self.weights, tiles)  # (a a, B, K, T)
        y = torch.matmul(self.results, products.reshape(kinds, -1))  # (m m, B K T)
        y = y.reshape(m, m, -1, rows, columns).permute(2, 3, 0, 4, 1)
        y = y.reshape(batch, -1, m * rows, m * columns)
        return y if self.bias is None else y + self.bias[:, None, None]


def transforms(tile: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return Cook and Toom's R (m, a), K (a, r) and D (a, a): ``y = R @ ((K @ g) * (D @ d))``."""
    points = np.asarray(_POINTS[tile, taps], dtype=np.float64)

    def powers(count: int) -> Matrix:
        """Evaluate at the points, and at infinity."""
        return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1]])

    inputs = np.linalg.inv(powers(tile + taps - 1)).T
    # Scaling by powers of two is exact, and brings the factors to similar magnitudes.
    scale = 2.0 ** np.round(np.log2(np.abs(inputs).max(axis=1, keepdims=True)))
    return powers(tile).T, powers(taps) * scale, inputs / scale


def _float32(values: npt.NDArray[np.floating[Any]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
