"""The features loss looks at the deep of a hole alone."""

from collections.abc import Sequence

import torch
from csakit.train.losses import features_loss
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
