"""The operator's gradient is dX = dY + A^T dY, with the oracle's A."""

import numpy as np
import pytest
import torch
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.train.attention.chunked import CHUNK
from csakit.train.attention.operator import CoherentSemanticAttention, coherent_semantic_attention
from helpers.features import Floats, feature_like, random_hole
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

TOLERANCE = 2e-5  # float32 sums of up to 169 terms of size 1; at most 5e-6 over 1500 cases

each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


def gradient_by_torch(
    features: Floats,
    hole: Floats,
    output_gradient: Floats,
    similarity: Similarity,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    x = torch.from_numpy(features).to(dtype).requires_grad_()
    filled = coherent_semantic_attention(x, torch.from_numpy(hole), similarity)
    filled.backward(torch.from_numpy(output_gradient).to(dtype))
    assert x.grad is not None
    return x.grad


@each_similarity
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    shares=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
@settings(max_examples=40)
def test_any_shape_and_any_holes_equal_the_dense_attention(
    similarity: Similarity, seed: int, batch: int, height: int, width: int, shares: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    features = feature_like(rng, batch, 8, height, width)
    hole = np.concatenate([random_hole(rng, 1, height, width, share=s) for s in shares[:batch]])
    dY = rng.standard_normal(features.shape, dtype=np.float32)

    dX = gradient_by_torch(features, hole, dY, similarity)

    expected = reference.input_gradient(features, hole, dY, similarity)
    np.testing.assert_allclose(dX.numpy(), expected, atol=TOLERANCE)


@each_similarity
@pytest.mark.parametrize("holes", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 142, 143])
def test_every_number_of_holes_equals_the_dense_attention(
    rng: np.random.Generator, similarity: Similarity, holes: int
) -> None:
    features = feature_like(rng, 1, 8, 11, 13)
    hole = np.zeros((1, 1, 11, 13), dtype=np.float32)
    hole.reshape(-1)[rng.permutation(143)[:holes]] = 1.0
    dY = rng.standard_normal(features.shape, dtype=np.float32)

    dX = gradient_by_torch(features, hole, dY, similarity)

    expected = reference.input_gradient(features, hole, dY, similarity)
    np.testing.assert_allclose(dX.numpy(), expected, atol=TOLERANCE)


@each_similarity
@pytest.mark.parametrize("share", [0.0, 1.0], ids=["no hole", "no known position"])
def test_an_unchanged_image_passes_twice_its_gradient(
    rng: np.random.Generator, similarity: Similarity, share: float
) -> None:
    features, dY = rng.standard_normal((2, 2, 8, 3, 5), dtype=np.float32)
    hole = np.full((2, 1, 3, 5), share, dtype=np.float32)

    dX = gradient_by_torch(features, hole, dY, similarity)

    np.testing.assert_array_equal(dX.numpy(), 2 * dY)


@each_similarity
def test_autograd_of_a_constant_attention_and_a_skip_gives_the_same(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 2, 8, 9, 10)
    hole = random_hole(rng, 2, 9, 10)
    dY = rng.standard_normal(features.shape, dtype=np.float32)
    A = torch.from_numpy(reference.attention_weights(features, hole, similarity))
    x = torch.from_numpy(features).double().requires_grad_()
    rows = x.flatten(2).transpose(1, 2)

    copied = (A @ rows).transpose(1, 2).reshape(features.shape)
    torch.autograd.backward(copied + x, torch.from_numpy(dY).double())

    assert x.grad is not None
    dX = gradient_by_torch(features, hole, dY, similarity)
    np.testing.assert_allclose(dX.numpy(), x.grad.numpy(), atol=TOLERANCE)
    expected = reference.coherent_semantic_attention(features, hole, similarity)
    np.testing.assert_allclose(copied.detach().numpy(), expected, atol=1e-12)


@each_similarity
def test_a_vanishing_denominator_equals_the_dense_attention(similarity: Similarity) -> None:
    features = np.array([[-1, 1, -1, 1], [0, 0, 0, 0]], dtype=np.float32).reshape(1, 2, 1, 4)
    hole = np.array([1, 1, 0, 0], dtype=np.float32).reshape(1, 1, 1, 4)
    dY = np.arange(8, dtype=np.float32).reshape(features.shape)

    dX = gradient_by_torch(features, hole, dY, similarity)

    expected = reference.input_gradient(features, hole, dY, similarity)
    np.testing.assert_array_equal(dX.numpy(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_are_summed_in_float32(
    rng: np.random.Generator, dtype: torch.dtype
) -> None:
    features = torch.from_numpy(feature_like(rng, 1, 8, 9, 10)).to(dtype).float().numpy()
    hole = random_hole(rng, 1, 9, 10)
    dY = torch.from_numpy(rng.standard_normal(features.shape)).to(dtype).float().numpy()

    dX = gradient_by_torch(features, hole, dY, "cosine", dtype=dtype)

    assert dX.dtype == dtype
    assert dX.equal(gradient_by_torch(features, hole, dY, "cosine").to(dtype))


def test_the_output_gradient_is_not_modified(rng: np.random.Generator) -> None:
    features = torch.from_numpy(feature_like(rng, 1, 8, 9, 10)).requires_grad_()
    hole = torch.from_numpy(random_hole(rng, 1, 9, 10))
    dY = torch.from_numpy(rng.standard_normal(features.shape, dtype=np.float32))
    before = dY.clone()

    coherent_semantic_attention(features, hole, "cosine").backward(dY)

    assert dY.equal(before)


def test_wild_features_give_finite_gradients(rng: np.random.Generator) -> None:
    features, dY = rng.standard_normal((2, 2, 3, 16, 16), dtype=np.float32)

    for similarity in SIMILARITIES:
        dX = gradient_by_torch(features, random_hole(rng, 2, 16, 16), dY, similarity)
        assert dX.isfinite().all()


def test_the_hole_gets_no_gradient(rng: np.random.Generator) -> None:
    features = torch.from_numpy(feature_like(rng, 1, 8, 4, 5)).requires_grad_()
    hole = torch.from_numpy(random_hole(rng, 1, 4, 5)).requires_grad_()

    coherent_semantic_attention(features, hole, "cosine").sum().backward()

    assert features.grad is not None
    assert hole.grad is None


@each_similarity
def test_a_network_around_it_learns(rng: np.random.Generator, similarity: Similarity) -> None:
    layer = CoherentSemanticAttention(similarity)
    before, after = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
    generator = torch.Generator().manual_seed(0)
    for parameter in (*before.parameters(), *after.parameters()):
        nn.init.normal_(parameter, 0.0, 0.2, generator=generator)
    optimiser = torch.optim.Adam([*before.parameters(), *after.parameters()], lr=0.01)
    image = torch.from_numpy(feature_like(rng, 2, 3, 12, 12))
    hole = torch.from_numpy(random_hole(rng, 2, 12, 12))

    losses = []
    for _ in range(30):
        loss = (after(layer(before(image * (1 - hole)).relu() + 0.1, hole)) - image).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]
