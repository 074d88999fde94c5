"""The discriminators of a run as one module, so that one optimiser and one wrapper serve both."""

from typing import NamedTuple

from torch import Tensor, nn

from ..losses.adversarial import Mean, discriminator_loss, generator_loss
from ..networks.discriminators import FeaturePatchDiscriminator, PatchDiscriminator, score_frozen
from .config import LossConfig


class DiscriminatorInputs(NamedTuple):
    """Inputs of both discriminators for a batch."""

    image: Tensor  # (B, 3, H, W)
    # (B, 256, H/4, W/4), relu3_3; None without a feature-patch discriminator
    features: Tensor | None

    def detached(self) -> "DiscriminatorInputs":
        """Return the same without gradient."""
        features = None if self.features is None else self.features.detach()
        return DiscriminatorInputs(self.image.detach(), features)


class DiscriminatorPair(nn.Module):
    """Up to two discriminators; ``forward`` returns their loss."""

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.patch = PatchDiscriminator(config.patch_width) if config.patch else None
        self.feature_patch = (
            FeaturePatchDiscriminator(config.feature_patch_width) if config.feature_patch else None
        )

    def forward(self, real: DiscriminatorInputs, fake: DiscriminatorInputs, mean: Mean) -> Tensor:
        """Return the sum of the discriminators' losses; ``fake`` is detached from the network."""
        pairs = self._pairs(real, fake)
        losses = [discriminator_loss(one(r), one(f), mean) for one, r, f in pairs]
        return sum(losses[1:], losses[0])

    def generator_loss(
        self, real: DiscriminatorInputs, fake: DiscriminatorInputs, mean: Mean
    ) -> Tensor:
        """Return the sum of the generator's losses, without gradient to the discriminators."""
        pairs = self._pairs(real, fake)
        losses = [
            generator_loss(score_frozen(one, r), score_frozen(one, f), mean) for one, r, f in pairs
        ]
        return sum(losses[1:], losses[0])

    def _pairs(
        self, real: DiscriminatorInputs, fake: DiscriminatorInputs
    ) -> list[tuple[nn.Module, Tensor, Tensor]]:
        pairs: list[tuple[nn.Module, Tensor, Tensor]] = []
        if self.patch is not None:
            pairs.append((self.patch, real.image, fake.image))
        if self.feature_patch is not None:
            assert real.features is not None
            assert fake.features is not None
            pairs.append((self.feature_patch, real.features, fake.features))
        # float32 tensors meet float64 weights where the engine did not wrap the call
        dtype = next(self.parameters()).dtype
        return [(one, r.to(dtype), f.to(dtype)) for one, r, f in pairs]
