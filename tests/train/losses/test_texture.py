"""The texture loss is small where patches are distributed alike, wherever they lie."""

import pytest
import torch
from csakit.train.losses.texture import texture_loss
from torch import Tensor

HOLE = torch.zeros(1, 1, 96, 96)
HOLE[..., 20:76, 20:76] = 1


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(1, 3, 96, 96, generator=generator).clamp(-3, 3)


def loss(image: Tensor, truth: Tensor, hole: Tensor = HOLE, seed: int = 0) -> float:
    return float(texture_loss(image, truth, hole, torch.Generator().manual_seed(seed)))


def test_it_is_zero_at_the_truth() -> None:
    assert loss(noise(1), noise(1)) == 0


def test_another_sample_of_the_same_texture_is_near_and_none_is_far() -> None:
    truth = noise(1)

    other, flat = loss(noise(2), truth), loss(torch.zeros_like(truth), truth)

    assert other < 0.25 < 0.6 < flat


def test_what_is_outside_the_hole_plays_no_part() -> None:
    truth, image = noise(1), noise(2)
    changed = torch.where(HOLE > 0, image, float("nan"))

    assert loss(changed, truth) == loss(image, truth)


def test_thin_holes_and_images_without_a_hole_have_none() -> None:
    thin = torch.zeros_like(HOLE)
    thin[..., 40:42, :] = 1
    image = noise(2).requires_grad_()

    total = texture_loss(image, noise(1), thin, torch.Generator())
    total.backward()

    assert total == 0
    assert image.grad is not None
    assert not image.grad.any()
    assert loss(noise(2), noise(1), torch.zeros_like(HOLE)) == 0


def test_its_gradient_raises_the_contrast_of_what_is_too_smooth() -> None:
    truth = noise(1)
    smooth = (0.1 * truth).requires_grad_()

    texture_loss(smooth, truth, HOLE, torch.Generator().manual_seed(0)).backward()

    assert smooth.grad is not None
    inside = HOLE.expand_as(truth) > 0
    towards = -(smooth.grad * truth)[inside].sum()
    assert towards > 0
    assert not smooth.grad[~inside].any()


@pytest.mark.parametrize("seed", [1, 2])
def test_kernels_follow_the_generator(seed: int) -> None:
    truth, image = noise(1), torch.zeros(1, 3, 96, 96)

    assert loss(image, truth, seed=seed) == loss(image, truth, seed=seed)
    assert loss(image, truth, seed=seed) != loss(image, truth, seed=0)


def test_a_grid_is_further_away_than_noise_of_the_same_patches() -> None:
    truth = noise(1)
    grid = truth[..., 40:48, 40:48].repeat(1, 1, 12, 12)
    shuffled = noise(2) * grid.std() / noise(2).std()

    assert loss(grid, truth) > loss(shuffled, truth) + 0.5
    assert loss(grid, grid) == 0  # windows of a house may repeat


def test_streaks_are_far_from_a_texture_without_direction() -> None:
    truth = noise(1)
    streaks = torch.nn.functional.avg_pool2d(noise(2), (1, 9), 1, (0, 4))
    streaks *= truth.std() / streaks.std()

    assert loss(streaks, truth) > 2 * loss(noise(2), truth)
