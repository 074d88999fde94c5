"""Adversarial losses: relativistic average least squares (RaLSGAN), arXiv:1807.00734.

With C the scores of a discriminator, x real and f fake, and E the mean over the batch and over
all scores of an image::

    real = C(x) - E[C(f)],    fake = C(f) - E[C(x)]
    discriminator:  (E[(real - 1)^2] + E[(fake + 1)^2]) / 2
    generator:      (E[(real + 1)^2] + E[(fake - 1)^2]) / 2

The halves are the published code's, whose weight of 0.002 they belong to. The inner means are
subtracted before squaring, so with several processes ``mean`` must average over all of them, *with
gradient*: a score moves the losses of all. The engine's average of gradients does the outer ones.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...plugins.errors import ContractError

Mean = Callable[[Tensor], Tensor]  # scores to a scalar: the mean over them all, differentiable


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Return the loss where real is not 1 above the average fake, or fake not below the real.

    Scores are (B, ...), the fake ones detached from the network; ``mean`` averages over all of the
    batch, of every process with equal batches. A scalar float32, not negative, 1 where all scores
    are equal; of several processes' the average is the loss of the whole batch.

    Raises:
        ContractError: the shapes differ, or there is no score.
    """
    return _relativistic(real_scores, fake_scores, mean, margin=1.0)


def generator_loss(real_scores: Tensor, fake_scores: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Return the loss where fake is not 1 above the average real, or real not below the fake.

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
