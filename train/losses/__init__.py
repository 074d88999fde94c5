"""The paper's three losses, and texture and features. Pure functions, float32 inside.

The generator minimises, with r reconstruction, c consistency and d adversarial::

    1 * L_r + 0.01 * L_c + 0.002 * (L_d on images + L_d on VGG features)

``TrainStep`` in ``csakit.train.training.train_step`` calls them all, once a step.

By default the discriminators see the refined image as it is: neither composited nor clamped, as in
the published code, so that every pixel has a gradient.
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
