"""The paper's three losses, and texture and features. Pure functions, float32 inside.

The generator minimises 1 * reconstruction + 0.01 * consistency + 0.002 * (adversarial on images
and on VGG features), see ``csakit.train.training.train_step``. By default the discriminators see
the refined image neither composited nor clamped, as in the published code.
"""

from .adversarial import Mean, discriminator_loss, generator_loss
from .consistency import TruthProjection, consistency_loss
from .features import features_loss
from .reconstruction import reconstruction_loss, relative_loss
from .texture import texture_loss

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
