"""The whole pipeline as one module: fill, rough, composite, refine, composite.

Letters: B images, H W sides in pixels, multiples of 256; w the width. The refinement network sees
the rough composite and the image with 0 in the hole, as in the published code.

With ``prediction="residual"`` each network's output times the contrast is added to the fill or the
rough composite. Contrast is the local standard deviation of known pixels, interpolated into the
hole: instance norms hide it from the networks.
"""

import functools
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...plugins.errors import ContractError
from ...plugins.spec import HOLE_THRESHOLD
from ...runtime.contract import FEATURE_HOLE_THRESHOLD, FILL_RGB, SIZE_MULTIPLE
from ..attention.operator import CoherentSemanticAttention
from ..config import ModelConfig
from .fill import HarmonicFill
from .generators import RefinementNetwork, RoughNetwork, initialise

_FIRST_RESIDUAL: Final = 0.1  # factor of the initial weights of the last layers
_CONTRAST_FLOOR: Final = 0.02  # 2.5 of 255 levels
_LEAST_SHARE: Final = 0.05  # of a window of 256 pixels that must be known for its statistics


class Stages(NamedTuple):
    """All intermediate results, in the order of their computation."""

    filled: Tensor  # (B, 3, H, W) input with the fill in the hole
    rough: Tensor  # (B, 3, H, W) after the first network, not composited; in [-1, 1] if absolute
    feature_hole: Tensor  # (B, 1, H/8, W/8) the hole that the attention sees, 0 or 1
    features: Tensor  # (B, 8w, H/8, W/8) entering the attention
    attended: Tensor  # (B, 8w, H/8, W/8) leaving it
    decoded: Tensor  # (B, 8w, H/8, W/8) decoder features of that size
    refined: Tensor  # (B, 3, H, W) of the refinement network, not clamped, not composited
    result: Tensor  # (B, 3, H, W) in [-1, 1]; outside the hole exactly the input


class RoughStage(NamedTuple):
    """Results of the pipeline up to the rough image."""

    missing: Tensor  # (B, 1, H, W) bool
    # the mask, (B, 1, H, W) in the image's type; empty if the networks do not use it
    mask_channel: tuple[Tensor, ...]
    contrast: Tensor | None  # (B, 1, H, W), the unit of residuals; None for absolute outputs
    filled: Tensor  # (B, 3, H, W)
    rough: Tensor  # (B, 3, H, W)


class ConvAttention(nn.Module):
    """The paper's ablation: an ordinary 3x3 convolution in place of CSA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        initialise(self.conv)  # as every other convolution, so that the ablation compares layers

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Convolve (B, C, H, W) features; the hole is ignored."""
        mixed: Tensor = self.conv(features)
        return mixed


class NoAttention(nn.Module):
    """The identity in place of CSA."""

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Return the features."""
        return features


class LocalContrast(nn.Module):
    """The unit of residuals: a smooth local standard deviation of the known pixels.

    From windows of 16 x 16, averaged over channels, interpolated into the hole, plus a floor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interpolate = HarmonicFill(levels=5)

    def forward(self, image: Tensor, missing: Tensor) -> Tensor:
        """Map (B, 3, H, W) images and their (B, 1, H, W) masks to (B, 1, H, W)."""
        known = 1 - missing.to(image.dtype)
        emptied = torch.where(missing, 0.0, image)
        window = functools.partial(F.avg_pool2d, kernel_size=16, stride=8, padding=4)
        share = window(known)
        unknown = share < _LEAST_SHARE
        share = share.clamp(min=_LEAST_SHARE)
        mean = window(emptied) / share
        square = window(emptied.square()) / share
        variance = (square - mean.square()).mean(dim=1, keepdim=True).clamp(min=0)
        # the added floor avoids underflow in half precision and an infinite slope of the root
        deviation = self.interpolate((variance + _CONTRAST_FLOOR**2).sqrt(), unknown)
        smooth = F.interpolate(deviation, scale_factor=8.0, mode="bilinear", align_corners=False)
        return smooth + _CONTRAST_FLOOR


class CSAInpainter(nn.Module):
    """The inpainting model: both networks, with filling and compositing.

    The networks may be half precision: masks, compositing and the result stay in the type
    of the input, and CSA computes in float32 inside.
    """

    fill: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        masked = int(config.fill == "interpolated")
        residual = config.prediction == "residual"
        self.rough = RoughNetwork(config.width, inputs=3 + masked, bounded=not residual)
        attention = _attention(config)
        self.refinement = RefinementNetwork(config.width, attention, inputs=6 + masked)
        if masked:
            self.interpolate = HarmonicFill()
        if residual:
            self.contrast = LocalContrast()
            start_near_zero(self)
        self.register_buffer("fill", fill_colour(), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the networks."""
        return self.rough.levels[0].down.weight.dtype

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Inpaint (B, 3, H, W) images in [-1, 1] where (B, 1, H, W) hole is 1; keep the rest.

        Raises:
            ContractError: ranks or sizes disagree, or a side is not a multiple of 256.
        """
        return self.stages(image, hole).result

    def stages(self, image: Tensor, hole: Tensor) -> Stages:
        """Inpaint a batch and return all intermediate results; see ``forward``."""
        start = self.rough_stage(image, hole)
        missing, rough = start.missing, start.rough
        emptied = torch.where(missing, 0.0, image)
        composite = torch.where(missing, rough, image)
        composites = torch.cat([composite, emptied, *start.mask_channel], dim=1)
        feature_hole = feature_hole_of(hole)
        refinement = self.refinement(composites.to(self.dtype), feature_hole)
        refined = refinement.image.to(image.dtype)
        if start.contrast is not None:
            refined = composite + start.contrast * refined
        return Stages(
            filled=start.filled,
            rough=rough,
            feature_hole=feature_hole,
            features=refinement.features,
            attended=refinement.attended,
            decoded=refinement.decoded,
            refined=refined,
            result=torch.where(missing, refined.clamp(-1.0, 1.0), image),
        )

    def rough_stage(self, image: Tensor, hole: Tensor) -> RoughStage:
        """Fill the hole and run the first network; see ``forward``."""
        _check(image, hole)
        missing = hole > HOLE_THRESHOLD
        mask_channel: tuple[Tensor, ...] = ()
        contrast = None
        if self.config.fill == "constant":
            filled = torch.where(missing, self.fill.to(image.dtype), image)
        else:
            filled = self.interpolate(image, missing)
            mask_channel = (missing.to(image.dtype),)
        rough = self.rough(torch.cat([filled, *mask_channel], dim=1).to(self.dtype))
        rough = rough.to(image.dtype)
        if self.config.prediction == "residual":
            contrast = self.contrast(image, missing)
            rough = filled + contrast * rough
        return RoughStage(missing, mask_channel, contrast, filled, rough)


def start_near_zero(model: CSAInpainter) -> None:
    """Shrink the last layer of both networks, so that training starts near zero residuals."""
    for layer in (model.rough.levels[0].up, model.refinement.leave):
        with torch.no_grad():
            layer.weight.mul_(_FIRST_RESIDUAL)
            assert layer.bias is not None
            layer.bias.zero_()


def fill_colour() -> Tensor:
    """Return the colour that fills the hole for the rough network, (1, 3, 1, 1) in [-1, 1]."""
    return torch.tensor(FILL_RGB, device="cpu").reshape(1, 3, 1, 1) * (2 / 255) - 1


def feature_hole_of(hole: Tensor) -> Tensor:
    """Return which feature positions belong to the hole, (B, 1, H/8, W/8) float32, 0 or 1.

    Three 4x4 average poolings of stride 2, zero padding included, then a threshold of 5/16, as in
    the published code. The averages are multiples of 1/4096, exact in float32 but not in half
    precision.
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
