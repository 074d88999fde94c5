"""The operator's gradient is dX = dY + A^T dY, with the oracle's A."""

import numpy as np
import pytest
import torch
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.train.attention.operator import coherent_semantic_attention
from helpers.features import Floats, feature_like, random_hole
from torch import Tensor

TOLERANCE = 2e-5  # float32 sums of up to 169 terms of size 1; at most 5e-6 over 1500 cases


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
