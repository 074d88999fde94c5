"""Adversarial losses: relativistic average least squares (RaLSGAN), arXiv:1807.00734.

With C the scores of a discriminator, x real and f fake, and E the mean over the batch and over
all scores of an image::

    real = C(x) - E[C(f)],    fake = C(f) - E[C(x)]
    discriminator:  (E[(real - 1)^2] + E[(fake + 1)^2]) / 2
    generator:      (E[(real + 1)^2] + E[(fake - 1)^2]) / 2

The halves are the published code's, whose weight of 0.002 assumes them. The inner means are
subtracted before squaring, so with several processes ``mean`` must average over all of them, *with
gradient*: a score affects the losses of all. The outer means come from averaging the gradients.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...plugins.errors import ContractError

Mean = Callable[[Tensor], Tensor]  # differentiable mean of scores, a scalar


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Return the discriminator's loss, a float32 scalar, at least 0; 1 if all scores are equal.

    Scores are (B, ...), the fake ones detached from the network. ``mean`` averages over the batches
    of all processes, which are of one size; the loss of the whole batch is the mean over processes.

    Raises:
        ContractError: the shapes differ, or there is no score.
    """
    return _relativistic(real_scores, fake_scores, mean, margin=1.0)


def generator_loss(real_scores: Tensor, fake_scores: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Return the generator's loss, a float32 scalar.

    As ``discriminator_loss``, with ``real_scores`` from ``score_frozen`` and ``fake_scores`` with
    gradient to the network.
    """
    return _relativistic(real_scores, fake_scores, mean, margin=-1.0)


def _relativistic(real_scores: Tensor, fake_scores: Tensor, mean: Mean, margin: float) -> Tensor:
    if real_scores.shape != fake_scores.shape or not real_scores.numel():
        raise ContractError(
            "real and fake scores must have one shape that is not empty; got "
            f"{tuple(real_scores.shape)} and {tuple(fake_scores.shape)}"
        )
    real, fake = real_scores.float(), fake_scores.float()
    above = (real - mean(fake) - margin).square().mean()
    below = (fake - mean(real) + margin).square().mean()
    return (above + below) / 2
