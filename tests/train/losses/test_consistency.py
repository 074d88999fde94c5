"""The consistency loss looks at the hole alone, and weighs every image the same."""

import math

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.losses.consistency import TruthProjection, consistency_loss
from torch import Tensor


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hole_of(*images: str) -> Tensor:
    """Return (B, 1, 1, w) masks; x is hole."""
    return torch.tensor([[[[float(c == "x") for c in image]]] for image in images])


def test_a_case_by_hand() -> None:
    # two channels, four positions, the middle two of them hole
    attended = torch.tensor([[[[9.0, 1.0, 2.0, 9.0]], [[9.0, 0.0, 0.0, 9.0]]]])
    decoded = torch.tensor([[[[9.0, 0.0, 0.0, 9.0]], [[9.0, 3.0, 1.0, 9.0]]]])
    truth = torch.tensor([[[[0.0, 0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]]])

    loss = consistency_loss(attended, decoded, truth, hole_of(".xx."))

    of_attended = (1 + 1) + (1 + 0)  # position by position, over the channels
    of_decoded = (0 + 4) + (1 + 1)
    assert loss.item() == (of_attended + of_decoded) / (2 * 2)
    assert loss.shape == ()


@pytest.mark.parametrize("holes", ["x.......", "xxxx....", "xxxxxxxx"])
def test_it_does_not_depend_on_the_size_of_the_hole(holes: str) -> None:
    truth = drawn(1, 4, 1, 8)

    loss = consistency_loss(truth + 3, truth - 1, truth, hole_of(holes))

    torch.testing.assert_close(loss.item(), 9.0 + 1.0, rtol=1e-6, atol=0)


def test_it_does_not_depend_on_the_batch() -> None:
    given = [drawn(2, 4, 3, 8, seed=seed) for seed in range(3)]
    hole = (drawn(2, 1, 3, 8, seed=3) > 0).float()

    loss = consistency_loss(*given, hole)

    each = [consistency_loss(*(t[i : i + 1] for t in (*given, hole))) for i in range(2)]
    torch.testing.assert_close(loss, torch.stack(each).mean())
    torch.testing.assert_close(
        consistency_loss(*(t.repeat(3, 1, 1, 1) for t in (*given, hole))), loss
    )


def test_an_image_without_a_hole_adds_nothing_and_still_counts() -> None:
    truth = torch.zeros(2, 4, 1, 4)

    loss = consistency_loss(truth + 3, truth, truth, hole_of("....", "..x."))

    assert loss.item() == 9 / 2  # so that a mean over processes is the loss of the whole batch


def test_without_any_hole_it_is_zero_with_a_gradient_of_zero() -> None:
    attended = drawn(1, 4, 1, 4).requires_grad_()

    loss = consistency_loss(attended, attended, drawn(1, 4, 1, 4, seed=1), hole_of("...."))
    loss.backward()

    assert loss.item() == 0
    assert attended.grad is not None
    assert not attended.grad.any()


@pytest.mark.parametrize("wild", [math.nan, math.inf, -math.inf])
def test_what_is_outside_the_hole_plays_no_part(wild: float) -> None:
    hole = hole_of("x..x")
    attended, decoded = (drawn(1, 4, 1, 4, seed=seed) for seed in (0, 1))
    truth = drawn(1, 4, 1, 4, seed=2)
    expected = consistency_loss(attended, decoded, truth, hole)
    attended[..., 1], decoded[..., 2], truth[..., 2] = wild, wild, wild
    attended.requires_grad_()

    loss = consistency_loss(attended, decoded, truth, hole)
    loss.backward()

    assert loss.equal(expected)
    assert attended.grad is not None
    assert attended.grad.isfinite().all()
    assert attended.grad[..., 0].all()
    assert not attended.grad[..., 1:3].any()


def test_its_gradient_is_that_of_the_formula_and_leaves_the_truth() -> None:
    attended, decoded, truth = (drawn(2, 4, 1, 4, seed=seed).requires_grad_() for seed in range(3))
    hole = hole_of("x..x", "xxx.")

    consistency_loss(attended, decoded, truth, hole).backward()

    factor = 2 * hole / (2 * 4 * hole.sum(dim=(1, 2, 3), keepdim=True))
    torch.testing.assert_close(attended.grad, factor * (attended - truth).detach())
    torch.testing.assert_close(decoded.grad, factor * (decoded - truth).detach())
    assert truth.grad is None


def test_half_precision_features_are_compared_in_float32() -> None:
    given = [drawn(1, 8, 4, 4, seed=seed).bfloat16() for seed in range(3)]
    hole = torch.ones(1, 1, 4, 4)

    loss = consistency_loss(*given, hole)

    assert loss.dtype == torch.float32
    assert loss.equal(consistency_loss(*(t.float() for t in given), hole))


def test_features_of_several_shapes_are_refused() -> None:
    narrow, wide = torch.zeros(1, 32, 2, 2), torch.zeros(1, 512, 2, 2)

    with pytest.raises(ContractError, match=r"TruthProjection .*\(1, 32, 2, 2\), \(1, 512, 2, 2\)"):
        consistency_loss(narrow, narrow, wide, torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (2, 1, 2, 2), (1, 32, 2, 2), (2, 2)])
def test_a_hole_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    features = torch.zeros(1, 32, 2, 2)

    with pytest.raises(ContractError, match=r"the feature hole must be .* got \("):
        consistency_loss(features, features, features, torch.zeros(shape))


@pytest.mark.parametrize("channels", [1, 32, 128, 511])
def test_the_projection_has_orthonormal_rows(channels: int) -> None:
    matrix = TruthProjection(channels).matrix

    assert matrix is not None
    assert matrix.shape == (channels, 512)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(channels), rtol=0, atol=2e-6)


def test_the_projection_is_the_same_always() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        matrix = TruthProjection(32).matrix

    assert matrix is not None
    # recorded; another draw would make runs incomparable and is to be noticed
    recorded = torch.tensor([[-0.038398, 0.027278, -0.009442], [0.012815, -0.002438, -0.031281]])
    torch.testing.assert_close(matrix[:2, :3], recorded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [8, 32, 128, 256])
def test_the_projection_keeps_mean_squared_distances_on_average(channels: int) -> None:
    near, far = drawn(1, 512, 64, 64), drawn(1, 512, 64, 64, seed=1)
    project = TruthProjection(channels)

    kept = (project(near) - project(far)).square().mean() / (near - far).square().mean()

    # chi-squared of C values at 4096 independent positions: five standard errors
    assert abs(kept.item() - 1) < 5 * math.sqrt(2 / (4096 * channels))


def test_the_projection_acts_on_each_position_and_is_the_identity_at_the_published_width() -> None:
    features, project = drawn(2, 512, 3, 5), TruthProjection(32)
    assert project.matrix is not None

    projected = project(features)

    assert projected.shape == (2, 32, 3, 5)
    torch.testing.assert_close(projected[1, :, 2, 4], project.matrix @ features[1, :, 2, 4])
    assert TruthProjection(512)(features).equal(features)


def test_the_projection_is_float32_under_autocast_and_neither_trained_nor_saved() -> None:
    features, project = drawn(1, 512, 4, 4), TruthProjection(32)

    with torch.autocast("cpu", torch.bfloat16):
        projected = project(features)

    assert projected.equal(project(features))
    assert not list(project.parameters())
    assert not project.state_dict()


@pytest.mark.parametrize("channels", [0, 513, 520, 1024])
def test_more_channels_than_vgg_has_are_refused(channels: int) -> None:
    with pytest.raises(ContractError, match=rf"at most 512 .* width 64, .* got {channels}\n.*off"):
        TruthProjection(channels)
