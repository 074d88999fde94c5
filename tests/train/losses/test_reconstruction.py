"""The reconstruction loss is two mean absolute errors over all pixels."""

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.losses import reconstruction_loss


def images(*values: float) -> torch.Tensor:
    """Make (B, 3, 1, 2) images, each of one value."""
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, 1, 2)


def test_it_is_the_sum_of_both_mean_absolute_errors() -> None:
    rough, refined = images(0.5, -1.0), images(0.0, 0.75)
    truth = images(0.25, 1.0)

    loss = reconstruction_loss(rough, refined, truth)

    assert loss.item() == (0.25 + 2.0) / 2 + (0.25 + 0.25) / 2
    assert loss.shape == ()


def test_it_is_zero_at_the_truth_only() -> None:
    truth = images(0.25)

    assert reconstruction_loss(truth, truth, truth).item() == 0
    assert reconstruction_loss(-truth, truth, truth).item() == 0.5
    assert reconstruction_loss(truth, -truth, truth).item() == 0.5


def test_it_does_not_depend_on_batch_or_size() -> None:
    generator = torch.Generator().manual_seed(0)
    rough, refined, truth = torch.randn(3, 2, 3, 8, 8, generator=generator).unbind()

    loss = reconstruction_loss(rough, refined, truth)

    repeated = reconstruction_loss(*(t.repeat(2, 1, 3, 1) for t in (rough, refined, truth)))
    torch.testing.assert_close(repeated, loss)


def test_its_gradient_pulls_each_value_by_the_same_force_and_leaves_the_truth() -> None:
    rough = images(0.5, -1.0).clone().requires_grad_()
    refined = images(0.0, 0.75).clone().requires_grad_()
    truth = images(0.25, 1.0).clone().requires_grad_()

    reconstruction_loss(rough, refined, truth).backward()

    force = 1 / rough.numel()
    assert rough.grad is not None
    assert refined.grad is not None
    assert rough.grad.equal(images(force, -force))
    assert refined.grad.equal(images(-force, -force))
    assert truth.grad is None


def test_half_precision_is_averaged_in_float32() -> None:
    ones = torch.ones(1, 3, 64, 64, dtype=torch.bfloat16)
    third = ones / 3  # 0.333984375 in bfloat16

    loss = reconstruction_loss(third, ones, ones)

    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.item(), 1 - 0.333984375, rtol=1e-6, atol=0)  # float32 sums


@pytest.mark.parametrize("wrong", range(3))
def test_images_of_several_shapes_are_refused(wrong: int) -> None:
    given = [images(0.0, 0.0) for _ in range(3)]
    given[wrong] = images(0.0)

    with pytest.raises(ContractError, match=r"must have one shape; got .*\(1, 3, 1, 2\)"):
        reconstruction_loss(*given)
