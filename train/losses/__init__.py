"""The paper's three losses. Pure functions of tensors, float32 inside, differentiable.

The generator minimises, with r reconstruction, c consistency and d adversarial::

    1 * L_r + 0.01 * L_c + 0.002 * (L_d on images + L_d on VGG features)

One step::

    from csakit.train.networks.discriminators import score_frozen
    from csakit.train.losses import (
        TruthProjection, consistency_loss, discriminator_loss, generator_loss,
        reconstruction_loss,
    )

    project = TruthProjection(8 * width)
    with torch.no_grad():
        truth = vgg(image)
    seen = vgg.relu3_3(stages.refined)
    loss_d = discriminator_loss(patch(image), patch(stages.refined.detach()), mean)
    loss_f = discriminator_loss(feature(truth.relu3_3), feature(seen.detach()), mean)
    ...
    loss_r = reconstruction_loss(stages.rough, image) + reconstruction_loss(stages.refined, image)
    loss_c = consistency_loss(
        stages.attended, stages.decoded, project(truth.relu4_3), stages.feature_hole
    )
    loss_g = generator_loss(score_frozen(patch, image), score_frozen(patch, stages.refined), mean)
    loss_h = generator_loss(score_frozen(feature, truth.relu3_3), score_frozen(feature, seen), mean)

The discriminators see the refined image as it is: neither composited nor clamped, as in the
published code, so that every pixel has a gradient.
"""

from .adversarial import Mean as Mean
from .adversarial import discriminator_loss as discriminator_loss
from .adversarial import generator_loss as generator_loss
from .consistency import TruthProjection as TruthProjection
from .consistency import consistency_loss as consistency_loss
from .features import features_loss as features_loss
from .reconstruction import reconstruction_loss as reconstruction_loss
from .reconstruction import relative_loss as relative_loss
from .texture import texture_loss as texture_loss

__all__ = [
    "Mean",
    "TruthProjection",
    "consistency_loss",
    "discriminator_loss",
    "features_loss",
    "generator_loss",
    "reconstruction_loss",
    "relative_loss",
    "texture_loss",
]
