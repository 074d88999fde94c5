"""The operator takes tensors of any floating type and layout, and leaves them alone."""

import numpy as np
import pytest
import torch
from csakit.plugins.spec import Similarity
from csakit.train.attention.operator import (
    CoherentSemanticAttention,
    coherent_semantic_attention,
    match_indices,
)
from helpers.features import feature_like, random_hole
from torch import Tensor

each_half = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@pytest.fixture
def features(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(feature_like(rng, 2, 16, 9, 12))


@pytest.fixture
def hole(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(random_hole(rng, 2, 9, 12))


@each_half
def test_half_precision_is_computed_in_float32(
    features: Tensor, hole: Tensor, similarity: Similarity, dtype: torch.dtype
) -> None:
    rounded = features.to(dtype)

    filled = coherent_semantic_attention(rounded, hole, similarity)

    expected = coherent_semantic_attention(rounded.float(), hole, similarity).to(dtype)
    assert filled.dtype == dtype
    torch.testing.assert_close(filled, expected, rtol=0, atol=0)
    matches = match_indices(rounded, hole, similarity)
    assert matches.dtype == torch.int64
    assert matches.equal(match_indices(rounded.float(), hole, similarity))


def test_double_precision_comes_back_and_its_known_positions_are_exact(
    rng: np.random.Generator, hole: Tensor, similarity: Similarity
) -> None:
    fine = torch.from_numpy(rng.uniform(0.5, 1.5, (2, 16, 9, 12)))  # more digits than float32

    filled = coherent_semantic_attention(fine, hole, similarity)

    expected = coherent_semantic_attention(fine.float(), hole, similarity)
    assert filled.dtype == torch.float64
    torch.testing.assert_close(filled.float(), expected, rtol=0, atol=0)
    known = (hole == 0).expand_as(fine)
    assert filled[known].equal(fine[known])


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float16, torch.float64])
def test_the_hole_may_be_of_any_type(features: Tensor, hole: Tensor, dtype: torch.dtype) -> None:
    filled = coherent_semantic_attention(features, hole.to(dtype), "cosine")

    assert filled.equal(coherent_semantic_attention(features, hole, "cosine"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_layout_in_memory_does_not_matter(
    features: Tensor, hole: Tensor, similarity: Similarity, dtype: torch.dtype
) -> None:
    features = features.to(dtype)
    expected = coherent_semantic_attention(features, hole, similarity)
    wide = torch.zeros(2, 32, 9, 24, dtype=dtype)
    wide[:, ::2, :, ::2] = features
    layouts = [
        features.to(memory_format=torch.channels_last),
        features.transpose(2, 3).contiguous().transpose(2, 3),
        wide[:, ::2, :, ::2],
    ]

    for layout in layouts:
        assert not layout.is_contiguous()
        filled = coherent_semantic_attention(layout, hole, similarity)
        assert filled.equal(expected)
        assert filled.is_contiguous()


@pytest.mark.parametrize("shape", [(2, 16, 9, 12), (1, 1, 9, 12), (1, 16, 1, 1)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_inputs_are_neither_modified_nor_shared_with_the_output(
    rng: np.random.Generator, shape: tuple[int, int, int, int], share: float, dtype: torch.dtype
) -> None:
    features = torch.from_numpy(feature_like(rng, *shape)).to(dtype)
    hole = torch.from_numpy(random_hole(rng, shape[0], *shape[2:], share=share))
    features_before, hole_before = features.clone(), hole.clone()

    filled = coherent_semantic_attention(features, hole, "cosine")
    filled.fill_(7.0)

    assert features.equal(features_before)
    assert hole.equal(hole_before)


@pytest.mark.parametrize("shape", [(0, 8, 3, 4), (2, 8, 0, 4)])
def test_an_empty_tensor_gives_an_empty_tensor(shape: tuple[int, int, int, int]) -> None:
    features, hole = torch.zeros(shape), torch.zeros(shape[0], 1, *shape[2:])

    assert coherent_semantic_attention(features, hole, "cosine").shape == shape
    assert match_indices(features, hole, "cosine").shape == (shape[0], shape[2] * shape[3])


@each_half
def test_an_autocast_around_the_layer_changes_nothing(
    features: Tensor, hole: Tensor, similarity: Similarity, dtype: torch.dtype
) -> None:
    layer = CoherentSemanticAttention(similarity)
    lowered, plain = (features.clone().requires_grad_() for _ in range(2))

    with torch.autocast("cpu", dtype):
        filled = layer(lowered, hole)
        filled.square().sum().backward()

    expected = layer(plain, hole)
    expected.square().sum().backward()
    assert filled.dtype == torch.float32
    assert filled.equal(expected)
    assert lowered.grad is not None
    assert plain.grad is not None
    torch.testing.assert_close(lowered.grad, plain.grad, rtol=0, atol=0)


def test_inference_mode_and_no_grad_work(features: Tensor, hole: Tensor) -> None:
    expected = coherent_semantic_attention(features, hole, "cosine")

    with torch.inference_mode():
        assert coherent_semantic_attention(features, hole, "cosine").equal(expected)
    with torch.no_grad():
        tracked = features.clone().requires_grad_()
        assert not coherent_semantic_attention(tracked, hole, "cosine").requires_grad
