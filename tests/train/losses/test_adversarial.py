"""The adversarial losses are RaLSGAN's, and the same however the batch is spread."""

import itertools
from collections.abc import Callable

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.losses.adversarial import Mean, discriminator_loss, generator_loss
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor, Mean], Tensor]
each_loss = pytest.mark.parametrize("loss", [discriminator_loss, generator_loss])


def scores(*values: float) -> Tensor:
    """Return (B, 1, 1, 1) scores."""
    return torch.tensor(values).reshape(-1, 1, 1, 1)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_case_by_hand() -> None:
    real, fake = scores(4.0, 2.0), scores(3.0, -3.0)  # means 3 and 0

    # real - 0 - 1: 3, 1; fake - 3 + 1: 1, -5
    assert discriminator_loss(real, fake).item() == ((9 + 1) / 2 + (1 + 25) / 2) / 2
    # real - 0 + 1: 5, 3; fake - 3 - 1: -1, -7
    assert generator_loss(real, fake).item() == ((25 + 9) / 2 + (1 + 49) / 2) / 2


def test_the_discriminator_is_content_where_real_is_one_above_fake() -> None:
    real, fake = scores(0.75, 0.75), scores(-0.25, -0.25)

    assert discriminator_loss(real, fake).item() == 0
    assert generator_loss(real, fake).item() == 4
    assert generator_loss(fake, real).item() == 0


@each_loss
def test_equal_scores_cost_one(loss: Loss) -> None:
    assert loss(scores(7.0, 7.0), scores(7.0, 7.0), torch.mean).item() == 1


@each_loss
def test_only_differences_of_scores_matter(loss: Loss) -> None:
    real, fake = drawn(2, 4, 2, 3, 3).unbind()

    shifted = loss(real + 8, fake + 8, torch.mean)

    torch.testing.assert_close(shifted, loss(real, fake, torch.mean), rtol=1e-5, atol=1e-5)


@each_loss
def test_the_mean_is_over_images_channels_and_positions(loss: Loss) -> None:
    real, fake = drawn(2, 4, 2, 3, 5).unbind()

    flat = loss(real.reshape(-1, 1), fake.reshape(-1, 1), torch.mean)

    torch.testing.assert_close(flat, loss(real, fake, torch.mean))


def test_the_gradient_raises_the_fake_score_in_one_loss_and_lowers_it_in_the_other() -> None:
    # d/df of ((r - f + m)^2 + (f - r - m)^2) / 2 is 2 (f - r - m), with m = 1 or -1
    for loss, expected in ((generator_loss, -2.0), (discriminator_loss, 2.0)):
        real, fake = scores(0.5).requires_grad_(), scores(0.5).requires_grad_()

        loss(real, fake).backward()

        assert fake.grad is not None
        assert real.grad is not None
        assert fake.grad.item() == expected
        assert real.grad.item() == -expected


def graded(loss: Tensor, weight: Tensor) -> list[Tensor]:
    return [loss, *torch.autograd.grad(loss, weight, retain_graph=True)]


@each_loss
def test_two_processes_compute_what_one_computes_with_the_whole_batch(loss: Loss) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 3, 3, 3, generator=generator, requires_grad=True)
    images = torch.randn(8, 3, 6, 6, generator=generator)
    real, fake = nn.functional.conv2d(images, weight).chunk(2)
    fake = 2 * fake + 1

    whole = graded(loss(real, fake, torch.mean), weight)
    halves = list(zip(real.chunk(2), fake.chunk(2), strict=True))  # of one process each

    def mean_of_both(given: Tensor) -> Tensor:
        """Average the scores of that kind over both processes, with gradient to both."""
        (pair,) = (p for p in zip(*halves, strict=True) if any(given is half for half in p))
        return torch.stack([half.mean() for half in pair]).mean()

    # the engine averages the gradients, as if the losses were averaged
    shared = torch.stack([loss(*half, mean_of_both) for half in halves]).mean()
    torch.testing.assert_close(graded(shared, weight), whole)
    local = torch.stack([loss(*half, torch.mean) for half in halves]).mean()
    for alone, together in zip(graded(local, weight), whole, strict=True):
        assert not torch.allclose(alone, together, rtol=1e-2)  # why there is such a parameter


@each_loss
def test_half_precision_scores_are_compared_in_float32(loss: Loss) -> None:
    real, fake = drawn(2, 1, 1, 30, 30).bfloat16().unbind()

    value = loss(real, fake, torch.mean)

    assert value.dtype == torch.float32
    assert value.equal(loss(real.float(), fake.float(), torch.mean))


@each_loss
@pytest.mark.parametrize(
    ("real", "fake"), list(itertools.permutations([(2, 1, 3, 3), (1, 1, 3, 3), (2, 1, 3, 4)], 2))
)
def test_scores_of_two_shapes_are_refused(
    loss: Loss, real: tuple[int, ...], fake: tuple[int, ...]
) -> None:
    with pytest.raises(ContractError, match=r"must have one shape .* got \(\d.*\) and \(\d"):
        loss(torch.zeros(real), torch.zeros(fake), torch.mean)


@each_loss
def test_no_scores_are_refused(loss: Loss) -> None:
    with pytest.raises(ContractError, match="not empty"):
        loss(torch.zeros(0, 1, 3, 3), torch.zeros(0, 1, 3, 3), torch.mean)
