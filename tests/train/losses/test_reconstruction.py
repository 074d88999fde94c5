"""The reconstruction loss is a mean absolute error, or one relative to a baseline's."""

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.losses.reconstruction import reconstruction_loss, relative_loss


def images(*values: float) -> torch.Tensor:
    """Return (B, 3, 1, 2) images, each of one value."""
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, 1, 2)


def test_it_is_the_mean_absolute_error_of_all_pixels() -> None:
    loss = reconstruction_loss(images(0.5, -1.0), images(0.25, 1.0))

    assert loss.item() == (0.25 + 2.0) / 2
    assert loss.shape == ()


def test_it_is_zero_at_the_truth_only() -> None:
    truth = images(0.25)

    assert reconstruction_loss(truth, truth).item() == 0
    assert reconstruction_loss(-truth, truth).item() == 0.5


def test_it_does_not_depend_on_batch_or_size() -> None:
    generator = torch.Generator().manual_seed(0)
    image, truth = torch.randn(2, 2, 3, 8, 8, generator=generator).unbind()

    loss = reconstruction_loss(image, truth)

    repeated = reconstruction_loss(*(t.repeat(2, 1, 3, 1) for t in (image, truth)))
    torch.testing.assert_close(repeated, loss)


def test_its_gradient_pulls_each_value_by_the_same_force_and_leaves_the_truth() -> None:
    image = images(0.5, -1.0).clone().requires_grad_()
    truth = images(0.25, 1.0).clone().requires_grad_()

    reconstruction_loss(image, truth).backward()

    force = 1 / image.numel()
    assert image.grad is not None
    assert image.grad.equal(images(force, -force))
    assert truth.grad is None


def test_half_precision_is_averaged_in_float32() -> None:
    ones = torch.ones(1, 3, 64, 64, dtype=torch.bfloat16)
    third = ones / 3  # 0.333984375 in bfloat16

    loss = reconstruction_loss(third, ones)

    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.item(), 1 - 0.333984375, rtol=1e-6, atol=0)  # float32 sums


@pytest.mark.parametrize("wrong", range(2))
def test_images_of_several_shapes_are_refused(wrong: int) -> None:
    given = [images(0.0, 0.0) for _ in range(2)]
    given[wrong] = images(0.0)

    with pytest.raises(ContractError, match=r"must have one shape; got .*\(1, 3, 1, 2\)"):
        reconstruction_loss(*given)


HOLE = torch.tensor([[[[1.0, 0.0]]]])


def relative(image: torch.Tensor, truth: torch.Tensor, baseline: torch.Tensor) -> float:
    return float(relative_loss(image, truth, baseline, HOLE.expand(image.shape[0], -1, -1, -1)))


def test_a_relative_error_is_near_1_at_the_baseline_and_0_at_the_truth() -> None:
    truth, baseline = images(0.25, -0.5), images(0.75, 0.5)

    assert relative(truth, truth, baseline) < 2e-3
    assert 0.9 < relative(baseline, truth, baseline) < 1


def test_a_relative_error_counts_each_picture_alike() -> None:
    truth = images(0.0, 0.0)

    hard_missed = relative(images(0.4, 0.0), truth, images(0.8, 0.2))
    easy_missed = relative(images(0.0, 0.1), truth, images(0.8, 0.2))

    assert easy_missed == pytest.approx(hard_missed, rel=0.1)


def test_a_relative_error_looks_into_the_hole_alone() -> None:
    truth, baseline = images(0.0).clone(), images(0.5)
    image = images(0.25).clone()
    inside = relative(image, truth, baseline)

    image[..., 1] = float("nan")

    assert relative(image, truth, baseline) == inside


def test_a_relative_error_at_the_truth_has_a_finite_gradient() -> None:
    image = images(0.25).clone().requires_grad_()

    relative_loss(image, images(0.25), images(0.25), HOLE).backward()

    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_a_baseline_of_another_shape_is_refused() -> None:
    with pytest.raises(ContractError, match=r"image, truth and baseline must have one shape"):
        relative_loss(images(0.0), images(0.0), images(0.0, 1.0), HOLE)
