"""Coherent semantic attention as a torch operator, differentiable, for training and export.

Letters: B images, C channels, N = H * W positions. Equations, source and oracle:
``csakit.plugins.reference``. Gradient: the authors' rule, dX = dY + A^T dY with A held constant.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ...plugins.errors import ContractError
from ...plugins.spec import SIMILARITIES, Similarity
from . import chunked, cuda_kernels


@torch.library.custom_op("csakit::coherent_semantic_attention", mutates_args=())
def coherent_semantic_attention(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Fill each hole position of feature maps from its match and the previous hole position.

    Arithmetic is float32 whatever the type of the features.

    Args:
        features: (B, C, H, W), any floating type.
        hole: (B, 1, H, W), above 0.5 where the image is missing; one mask per image.
        similarity: "projection" or "cosine".

    Returns:
        (B, C, H, W), type of the features, contiguous; on CUDA devices, channels-last if the
        features are. Known positions equal the input.

    Raises:
        ContractError: ranks, sizes or devices disagree, or the similarity is unknown.
        LibraryError: CUDA failed, or libcsakit holds no code for this GPU.
    """
    _check(features, hole, similarity)
    fill = cuda_kernels.fill if features.is_cuda else chunked.fill
    return fill(features, hole, similarity)


@torch.library.custom_op("csakit::coherent_semantic_attention_backward", mutates_args=())
def coherent_semantic_attention_backward(
    output_gradient: Tensor, features: Tensor, hole: Tensor, similarity: str
) -> Tensor:
    """Return dX = dY + A^T dY, (B, C, H, W), with the attention A held constant and recomputed.

    Recomputing costs a few milliseconds but keeps the forward operator one node with one output in
    exported graphs. Arguments and errors are those of the operator; dX has its result's layout.
    """
    _check_gradient(output_gradient, features, hole, similarity)
    gradient = cuda_kernels.input_gradient if features.is_cuda else chunked.input_gradient
    return gradient(output_gradient, features, hole, similarity)


@coherent_semantic_attention.register_fake
def _(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    _check(features, hole, similarity)
    return torch.empty_like(features, memory_format=cuda_kernels.result_format(features))


@coherent_semantic_attention_backward.register_fake
def _(output_gradient: Tensor, features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    _check_gradient(output_gradient, features, hole, similarity)
    return torch.empty_like(output_gradient, memory_format=cuda_kernels.result_format(features))


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: Tensor) -> None:  # noqa: ANN401
    features, hole, ctx.similarity = inputs
    ctx.save_for_backward(features, hole)


def _backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
    features, hole = ctx.saved_tensors
    gradient = coherent_semantic_attention_backward(output_gradient, features, hole, ctx.similarity)
    return gradient, None, None


coherent_semantic_attention.register_autograd(_backward, setup_context=_save)


class CoherentSemanticAttention(nn.Module):
    """The operator as a layer without parameters; the authors' weights need "projection"."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.similarity = similarity

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Fill (B, C, H, W) features where (B, 1, H, W) hole is above 0.5."""
        filled: Tensor = coherent_semantic_attention(features, hole, self.similarity)
        return filled

    def extra_repr(self) -> str:
        """Return the similarity, for printed modules."""
        return f"similarity={self.similarity!r}"


def match_indices(features: Tensor, hole: Tensor, similarity: Similarity) -> Tensor:
    """Return the match of each position, (B, N) int64, for parity checks."""
    _check(features, hole, similarity)
    match = cuda_kernels.match_positions if features.is_cuda else chunked.match_positions
    return match(features, hole, similarity)


def _check(features: Tensor, hole: Tensor, similarity: str) -> None:
    if similarity not in SIMILARITIES:
        raise ContractError(f"similarity must be one of {SIMILARITIES}; got {similarity!r}")
    if features.ndim != 4 or not features.is_floating_point():
        raise ContractError(
            "features must be floating point of shape (B, C, H, W); "
            f"got {features.dtype} of shape {tuple(features.shape)}"
        )
    if hole.shape != (features.shape[0], 1, *features.shape[2:]):
        raise ContractError(
            "hole must be (B, 1, H, W) with B, H, W of features "
            f"{tuple(features.shape)}; got shape {tuple(hole.shape)}"
        )
    if hole.device != features.device:
        raise ContractError(
            f"hole must be on the device of features, {features.device}; got {hole.device}"
        )


def _check_gradient(
    output_gradient: Tensor, features: Tensor, hole: Tensor, similarity: str
) -> None:
    _check(features, hole, similarity)
    if output_gradient.shape != features.shape or output_gradient.device != features.device:
        raise ContractError(
            f"the output gradient must be {tuple(features.shape)} on {features.device}, as the "
            f"features; got {tuple(output_gradient.shape)} on {output_gradient.device}"
        )
