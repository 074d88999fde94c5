"""The discriminators have the published structure, and can judge without being trained."""

import pytest
import torch
from csakit.train.networks.discriminators import (
    FeaturePatchDiscriminator,
    PatchDiscriminator,
    score_frozen,
)
from torch import Tensor, nn

# counted by hand: 16 * in * out weights and out biases a convolution, 2 values a norm's channel
PATCH_PARAMETERS = (
    (16 * 3 * 64 + 64)
    + (16 * 64 * 128 + 128 + 2 * 128)
    + (16 * 128 * 256 + 256 + 2 * 256)
    + (16 * 256 * 512 + 512 + 2 * 512)
    + (16 * 512 * 1 + 1)
)
FEATURE_PARAMETERS = (16 * 256 * 512 + 512) + 2 * (16 * 512 * 512 + 512)

Discriminator = PatchDiscriminator | FeaturePatchDiscriminator
each_kind = pytest.mark.parametrize(
    ("kind", "channels"), [(PatchDiscriminator, 3), (FeaturePatchDiscriminator, 256)]
)


def build(kind: type[Discriminator], width: int = 4) -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(width)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(PatchDiscriminator, PATCH_PARAMETERS), (FeaturePatchDiscriminator, FEATURE_PARAMETERS)],
)
def test_the_default_width_is_the_published_one(kind: type[Discriminator], expected: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in kind().parameters()) == expected


@pytest.mark.parametrize(
    ("kind", "shape", "scores"),
    [
        (PatchDiscriminator, (2, 3, 256, 256), (2, 1, 30, 30)),
        (PatchDiscriminator, (1, 3, 512, 256), (1, 1, 62, 30)),
        (FeaturePatchDiscriminator, (2, 256, 64, 64), (2, 4, 8, 8)),
        (PatchDiscriminator, (1, 3, 32, 32), (1, 1, 2, 2)),  # the smallest
        (FeaturePatchDiscriminator, (1, 256, 8, 8), (1, 4, 1, 1)),
    ],
)
def test_each_patch_has_a_finite_score(
    kind: type[Discriminator], shape: tuple[int, ...], scores: tuple[int, ...]
) -> None:
    found = build(kind)(drawn(*shape))

    assert found.shape == scores
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "shape", "at", "field", "stride"),
    [
        (PatchDiscriminator, (1, 3, 256, 256), 15, 70, 8),
        (FeaturePatchDiscriminator, (1, 256, 96, 96), 6, 22, 8),
    ],
)
def test_a_score_sees_its_patch_and_no_more(
    kind: type[Discriminator], shape: tuple[int, ...], at: int, field: int, stride: int
) -> None:
    discriminator = build(kind)
    for index, layer in enumerate(discriminator.layers):
        if isinstance(layer, nn.InstanceNorm2d):  # which sees the whole image
            discriminator.layers[index] = nn.Identity()

    def seen(row: int, column: int) -> tuple[Tensor, Tensor]:
        given = drawn(*shape).requires_grad_()
        torch.autograd.backward(discriminator(given)[0, :, row, column].sum())
        assert given.grad is not None
        touched = (given.grad[0] != 0).any(dim=0)
        return touched.any(dim=1).nonzero().flatten(), touched.any(dim=0).nonzero().flatten()

    rows, columns = seen(at, at)
    assert rows.equal(columns)
    assert rows.equal(torch.arange(rows[0], rows[0] + field))
    assert seen(at, at + 1)[1].equal(columns + stride)
    assert seen(at, at + 1)[0].equal(rows)


@each_kind
def test_they_start_as_the_published_training_does(
    kind: type[Discriminator], channels: int
) -> None:
    for module in build(kind, 16).modules():
        if isinstance(module, nn.Conv2d):
            errors = 4 / module.weight.numel() ** 0.5  # four standard errors
            assert abs(module.weight.std().item() / 0.02 - 1) < errors
            assert module.bias is not None
            assert not module.bias.any()


def test_the_norms_are_those_of_the_published_code() -> None:
    def norms(discriminator: Discriminator) -> list[tuple[int, bool]]:
        layers = discriminator.layers
        return [(n.num_features, n.affine) for n in layers if isinstance(n, nn.InstanceNorm2d)]

    assert norms(build(PatchDiscriminator)) == [(8, True), (16, True), (32, True)]
    assert norms(build(FeaturePatchDiscriminator)) == [(4, False)]


@each_kind
def test_an_image_is_scored_alike_in_any_batch(kind: type[Discriminator], channels: int) -> None:
    discriminator, given = build(kind), drawn(3, channels, 32, 32)

    scores = discriminator(given)

    torch.testing.assert_close(scores[1:2], discriminator(given[1:2]))


@each_kind
def test_judging_gives_the_same_scores_and_gradient_to_the_input_alone(
    kind: type[Discriminator], channels: int
) -> None:
    discriminator = build(kind)
    plain, judged = (drawn(1, channels, 32, 32).requires_grad_() for _ in range(2))
    expected = discriminator(plain)
    torch.autograd.backward(expected.square().sum())
    discriminator.zero_grad(set_to_none=True)

    scores = score_frozen(discriminator, judged)
    torch.autograd.backward(scores.square().sum())

    assert scores.equal(expected)
    assert judged.grad is not None
    torch.testing.assert_close(judged.grad, plain.grad)
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    assert all(parameter.requires_grad for parameter in discriminator.parameters())
