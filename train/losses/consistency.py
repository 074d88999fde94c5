"""Consistency loss: distance of features in the hole from VGG-16's features of the truth.

Letters: B images, C channels, h w sides of the features (an eighth of the image's), M hole
positions of an image. With y the CSA output, d the decoder feature of the same size, t = relu4_3
of the truth, for each image, then the mean over the B images::

    L_c = 1 / (M C) * sum over the hole of |y - t|^2 + |d - t|^2

The paper has the plain sum, too large for its weight of 0.01: the centre hole has 252 * 512 terms.
The published code has a mean over all positions, in which small holes hardly count and known ones
add a constant, and detaches it, so that it trains nothing. Ours has a gradient, and one weight
suits every mask. An image without a hole adds 0 but counts among B.
"""

from typing import Final

import torch
from torch import Tensor, nn

from ...plugins.errors import ContractError
from ...plugins.spec import HOLE_THRESHOLD
from ..networks.vgg import RELU4_3_CHANNELS

_SEED: Final = 512  # of the projections; part of the loss's definition, not the run's seed


def consistency_loss(
    attended: Tensor, decoded: Tensor, truth_features: Tensor, feature_hole: Tensor
) -> Tensor:
    """Return the mean squared distance of features from the truth's, a float32 scalar.

    ``attended``, ``decoded`` and ``truth_features`` are (B, C, h, w), the last through
    ``TruthProjection`` if C is not 512, and without gradient. ``feature_hole`` is (B, 1, h, w),
    above 0.5 in the hole; other positions are ignored, NaN included.

    Raises:
        ContractError: the shapes do not fit.
    """
    if not attended.shape == decoded.shape == truth_features.shape:
        raise ContractError(
            "attended, decoded and truth features must have one shape (see TruthProjection for "
            f"other widths than 64); got {tuple(attended.shape)}, {tuple(decoded.shape)}, "
            f"{tuple(truth_features.shape)}"
        )
    if feature_hole.shape != (attended.shape[0], 1, *attended.shape[2:]):
        raise ContractError(
            f"the feature hole must be (B, 1, h, w) of the features {tuple(attended.shape)}; "
            f"got {tuple(feature_hole.shape)}"
        )
    hole = feature_hole > HOLE_THRESHOLD
    target = truth_features.detach().float()
    error = _squared(attended, target, hole) + _squared(decoded, target, hole)
    terms = hole.sum(dim=(1, 2, 3)).clamp(min=1) * attended.shape[1]
    return (error / terms).mean()


class TruthProjection(nn.Module):
    """A fixed projection of relu4_3 from 512 to C channels, for narrower networks.

    Its C rows are random and orthonormal, so squared distances shrink to C / 512 on average, and
    their mean over channels, which the loss uses, is preserved. At 512 channels it is the identity.

    Raises:
        ContractError: ``channels`` is not in 1..512.
    """

    matrix: Tensor | None

    def __init__(self, channels: int) -> None:
        super().__init__()
        if not 1 <= channels <= RELU4_3_CHANNELS:
            raise ContractError(
                f"the consistency loss needs a network of at most {RELU4_3_CHANNELS} channels at "
                f"the attention, width {RELU4_3_CHANNELS // 8}, because VGG-16 has no more; got "
                f"{channels}\nTrain a narrower network, or switch the consistency loss off."
            )
        matrix = None if channels == RELU4_3_CHANNELS else _orthonormal_rows(channels)
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, truth_features: Tensor) -> Tensor:
        """Map (B, 512, h, w) to (B, C, h, w), in float32 also under autocast."""
        if self.matrix is None:
            return truth_features
        with torch.autocast(truth_features.device.type, enabled=False):
            return torch.einsum("cv,bvhw->bchw", self.matrix.float(), truth_features.float())


def _squared(features: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Sum squared differences over the hole of each image, (B,)."""
    # masked before it is squared: a gradient of 0 times infinity would be NaN
    return torch.where(hole, features.float() - target, 0.0).square().sum(dim=(1, 2, 3))


def _orthonormal_rows(channels: int) -> Tensor:
    """Draw (C, 512) orthonormal rows, uniform over all directions, the same for the same C."""
    generator = torch.Generator().manual_seed(_SEED)
    draw = torch.randn(
        RELU4_3_CHANNELS, channels, generator=generator, dtype=torch.float64, device="cpu"
    )
    columns, triangle = torch.linalg.qr(draw)
    # fixes the signs, which depend on the library
    rows: Tensor = (columns * triangle.diagonal().sign()).T
    return rows.float().contiguous()
