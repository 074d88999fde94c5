"""The features loss looks at the deep of a hole alone."""

from collections.abc import Sequence

import torch
from csakit.train.losses.features import features_loss
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

HOLE = torch.zeros(1, 1, 64, 64)
HOLE[..., 10:54, 10:54] = 1
TRUTH = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def network(image: Tensor) -> Sequence[Tensor]:
    """Return two sizes of averages."""
    return F.avg_pool2d(image, 2), F.avg_pool2d(image, 8)


def loss(image: Tensor, hole: Tensor = HOLE) -> float:
    return float(features_loss(image, TRUTH, hole, network))


def test_it_is_zero_at_the_truth_and_positive_elsewhere() -> None:
    assert loss(TRUTH) == 0
    assert loss(-TRUTH) > 0.5


def test_known_pixels_play_no_part() -> None:
    image = torch.where(HOLE > 0, -TRUTH, float("nan"))

    assert loss(image) == loss(-TRUTH)


def test_pixels_near_the_rim_play_no_part() -> None:
    image = TRUTH.clone()
    image[..., 10:14, :] *= -1

    assert loss(image) == 0


def test_a_hole_that_is_nowhere_deep_has_none() -> None:
    thin = torch.zeros_like(HOLE)
    thin[..., 30:40, :] = 1

    assert loss(-TRUTH, thin) == 0


def test_a_texture_elsewhere_is_nearer_than_none() -> None:
    moved, blurred = TRUTH.roll((8, 8), dims=(2, 3)), F.avg_pool2d(TRUTH, 17, 1, 8)

    assert loss(moved) < 0.9 * loss(blurred)


def test_a_gradient_reaches_the_deep_alone() -> None:
    image = (-TRUTH).requires_grad_()

    features_loss(image, TRUTH, HOLE, network).backward()

    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad[..., 24:40, 24:40].any()
    assert not image.grad[..., :10, :].any()
