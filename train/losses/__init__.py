"""Loss functions: the paper's three, texture and features. All are pure and compute in float32.

The generator minimises 1 * reconstruction + 0.01 * consistency + 0.002 * (adversarial on images
and on VGG features), see ``csakit.train.training.train_step``. By default the discriminators see
the refined image neither composited nor clamped, as in the published code.
"""
