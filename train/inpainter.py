"""The whole pipeline as one module: fill, rough, composite, refine, composite.

Letters: B images, H W sides in pixels, multiples of 256; w the width.

The rough network sees the fill colour in the hole. The refinement network sees the rough
result there, and beside it the image with 0 in the hole: the published code composes these
in place, which empties the hole of the tensor it passes on, and its weights rely on that.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..plugins.errors import ContractError
from ..plugins.spec import HOLE_THRESHOLD
from ..runtime.contract import FEATURE_HOLE_THRESHOLD, FILL_RGB, SIZE_MULTIPLE
from .attention import CoherentSemanticAttention
from .config import ModelConfig
from .networks import RefinementNetwork, RoughNetwork, initialise


class Stages(NamedTuple):
    """Every result on the way, in the order they are computed.

    Attributes:
        filled: (B, 3, H, W) input with the fill colour in the hole.
        rough: (B, 3, H, W) of the rough network, in [-1, 1], not composited.
        feature_hole: (B, 1, H/8, W/8) the hole that the attention sees, 0 or 1.
        features: (B, 8w, H/8, W/8) entering the attention.
        attended: (B, 8w, H/8, W/8) leaving it.
        decoded: (B, 8w, H/8, W/8) decoder features of that size.
        refined: (B, 3, H, W) of the refinement network, not clamped, not composited.
        result: (B, 3, H, W) in [-1, 1]; outside the hole exactly the input.
    """

    filled: Tensor
    rough: Tensor
    feature_hole: Tensor
    features: Tensor
    attended: Tensor
    decoded: Tensor
    refined: Tensor
    result: Tensor


class ConvAttention(nn.Module):
    """The paper's ablation: an ordinary 3x3 convolution where CSA would be.

    Args:
        channels: in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        initialise(self.conv)  # as every other convolution, so that the ablation compares layers

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Convolve (B, C, H, W) features; the hole plays no part."""
        mixed: Tensor = self.conv(features)
        return mixed


class NoAttention(nn.Module):
    """The identity where CSA would be."""

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Return the features."""
        return features


class CSAInpainter(nn.Module):
    """The two networks and everything around them.

    The networks may be half precision: masks, compositing and the result stay in the type
    of the input, and CSA computes in float32 inside.

    Args:
        config: width, attention, similarity.
    """

    fill: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.rough = RoughNetwork(config.width)
        self.refinement = RefinementNetwork(config.width, _attention(config))
        self.register_buffer("fill", fill_colour(), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """The type the networks compute in."""
        return self.rough.levels[0].down.weight.dtype

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Inpaint a batch.

        Args:
            image: (B, 3, H, W) in [-1, 1]; what is under the hole does not matter.
            hole: (B, 1, H, W), 1 where pixels are missing; one mask per image.

        Returns:
            (B, 3, H, W) in [-1, 1]; outside the hole exactly the input.

        Raises:
            ContractError: ranks or sizes disagree, or a side is no multiple of 256.
        """
        return self.stages(image, hole).result

    def stages(self, image: Tensor, hole: Tensor) -> Stages:
        """Inpaint a batch and return every result on the way; see ``forward``."""
        _check(image, hole)
        missing = hole > HOLE_THRESHOLD
        filled = torch.where(missing, self.fill.to(image.dtype), image)
        rough = self.rough(filled.to(self.dtype)).to(image.dtype)
        emptied = torch.where(missing, 0.0, image)
        composites = torch.cat([torch.where(missing, rough, image), emptied], dim=1)
        feature_hole = feature_hole_of(hole)
        refinement = self.refinement(composites.to(self.dtype), feature_hole)
        refined = refinement.image.to(image.dtype)
        return Stages(
            filled=filled,
            rough=rough,
            feature_hole=feature_hole,
            features=refinement.features,
            attended=refinement.attended,
            decoded=refinement.decoded,
            refined=refined,
            result=torch.where(missing, refined.clamp(-1.0, 1.0), image),
        )


def fill_colour() -> Tensor:
    """Give the colour under the hole before the rough network, (1, 3, 1, 1) in [-1, 1]."""
    return torch.tensor(FILL_RGB, device="cpu").reshape(1, 3, 1, 1) * (2 / 255) - 1


def feature_hole_of(hole: Tensor) -> Tensor:
    """Say which feature positions belong to the hole.

    Three times a 4x4 average of stride 2 whose zero padding counts, then a threshold of
    5/16, as the published code. The averages are multiples of 1/4096, exact in float32 but
    not in half precision.

    Args:
        hole: (B, 1, H, W), above 0.5 where pixels are missing.

    Returns:
        (B, 1, H/8, W/8) float32, 0 or 1.
    """
    cover = (hole > HOLE_THRESHOLD).float()
    for _ in range(3):
        cover = F.avg_pool2d(cover, kernel_size=4, stride=2, padding=1)
    return (cover > FEATURE_HOLE_THRESHOLD).float()


def _attention(config: ModelConfig) -> nn.Module:
    if config.attention == "csa":
        return CoherentSemanticAttention(config.similarity)
    return ConvAttention(8 * config.width) if config.attention == "conv" else NoAttention()


def _check(image: Tensor, hole: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3:
        raise ContractError(f"image must be (B, 3, H, W); got shape {tuple(image.shape)}")
    if hole.shape != (image.shape[0], 1, *image.shape[2:]):
        raise ContractError(
            f"hole must be (B, 1, H, W) with B, H, W of the image {tuple(image.shape)}; "
            f"got shape {tuple(hole.shape)}"
        )
    if image.shape[0] < 1:
        raise ContractError("a batch must have at least one image; got none")
    if any(side < SIZE_MULTIPLE or side % SIZE_MULTIPLE for side in image.shape[2:]):
        raise ContractError(
            f"each side must be a positive multiple of {SIZE_MULTIPLE}; "
            f"got {tuple(image.shape[2:])}"
        )
