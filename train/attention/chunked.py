"""Coherent semantic attention in plain torch operations, for every device and type.

Letters: B images, C channels, N = H * W positions, K known, M hole positions, S = 32 holes
of a chunk. Equations and oracle: ``csakit.plugins.reference``.

Each hole needs the filled vector of the previous hole. Within a chunk every vector is a
combination of ``basis = [last vector of the chunk before, x[c_1], ..., x[c_S]]``, so that
<unit(x[h_i]), y_{i-1}> = <attention row of i - 1, row i of (directions @ basis^T)>: one small
matrix product a chunk, S steps on S + 1 numbers, one product for the vectors.

The gradient is dX = dY + A^T dY with A held constant; chunks are walked backwards, carrying the
gradient of the vector between them.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...plugins.spec import DENOMINATOR_MIN, HOLE_THRESHOLD, NORM_EPSILON

CHUNK: Final = 32  # holes; more makes steps longer, fewer makes more products (16-128 tried)


def fill(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Fill the holes, (B, 1, H, W), of features, (B, C, H, W); the result is contiguous."""
    filled = torch.empty_like(features, memory_format=torch.contiguous_format)
    is_hole = _holes(hole)
    with _float32(features):
        for image, holes, out in zip(features, is_hole, filled, strict=True):
            x = _vectors(image)
            for chunk in _chunks(x, holes, similarity):  # reads known positions only
                x.index_copy_(0, chunk.holes, chunk.filled)
            out.flatten(1).copy_(x.T)
    if features.dtype == torch.float64:  # float32 would round its known positions
        filled = torch.where(is_hole.view(hole.shape), filled, features)
    return filled


def input_gradient(
    output_gradient: Tensor, features: Tensor, hole: Tensor, similarity: str
) -> Tensor:
    """Return dX = dY + A^T dY, (B, C, H, W), with the attention A held constant and recomputed."""
    gradient = torch.empty_like(output_gradient, memory_format=torch.contiguous_format)
    given = zip(output_gradient, features, _holes(hole), gradient, strict=True)
    with _float32(features):
        for of_output, image, holes, out in given:
            dy = _vectors(of_output)
            dx = dy + _transposed_attention(dy, _vectors(image), holes, similarity)
            out.flatten(1).copy_(dx.T)
    return gradient


def match_positions(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Return the match of each position, (B, N) int64; known positions match themselves."""
    batch, positions = hole.shape[0], hole.shape[2] * hole.shape[3]
    matches = torch.arange(positions, device=features.device).repeat(batch, 1)
    with _float32(features):
        for image, holes, row in zip(features, _holes(hole), matches, strict=True):
            for chunk in _chunks(_vectors(image), holes, similarity):
                row[chunk.holes] = chunk.matches
    return matches


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Up to S consecutive holes of one image, filled."""

    holes: Tensor  # (S,) positions
    matches: Tensor  # (S,) positions
    attention: Tensor  # (S, S + 1), over the vector before the chunk and then the matches
    filled: Tensor  # (S, C)


def _chunks(x: Tensor, hole: Tensor, similarity: str) -> Iterator[_Chunk]:
    """Yield the filled chunks of one image, (N, C) float32 and (N,) bool, in raster order."""
    holes, known = hole.nonzero().squeeze(1), (~hole).nonzero().squeeze(1)
    if len(holes) == 0:
        return
    queries = x.index_select(0, holes)
    directions = _unit(queries)
    searched = queries if similarity == "projection" else directions
    keys = _unit(x.index_select(0, known))
    scores, best = (searched @ keys.T).max(dim=1)  # (M,); the first of equal maxima
    matches = known[best]
    copies = x.index_select(0, matches)
    previous = x.new_zeros(1, x.shape[1])  # gives a_1 = 0, hence y_1 = x[c_1]
    for start in range(0, len(holes), CHUNK):
        part = slice(start, start + CHUNK)
        basis = torch.cat([previous, copies[part]])
        attention = _attend(
            dots=(directions[part] @ basis.T).numpy(force=True),
            scores=scores[part].tolist(),
            gram=None if similarity == "projection" else (basis @ basis.T).numpy(force=True),
        )
        rows = torch.from_numpy(attention).to(x.device)
        filled = rows @ basis
        yield _Chunk(holes=holes[part], matches=matches[part], attention=rows, filled=filled)
        previous = filled[-1:]


def _attend(
    *,
    dots: npt.NDArray[np.float32],
    scores: list[float],
    gram: npt.NDArray[np.float32] | None,
) -> npt.NDArray[np.float32]:
    """Compute the attention rows of a chunk, (S, S + 1), one after the other.

    ``dots`` are <unit(x[h_i]), basis_j>, (S, S + 1); ``scores`` the S numbers s_i; ``gram``
    <basis_i, basis_j>, (S + 1, S + 1), for true cosines only.
    """
    rows = np.zeros(dots.shape, dtype=np.float32)
    row = np.zeros(dots.shape[1], dtype=np.float32)
    row[0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # where a is NaN, w is 0 below
        for i, (s, dot, out) in enumerate(zip(scores, dots, rows, strict=True), start=1):
            a = float(row.dot(dot))
            if gram is not None:
                square = float(row.dot(gram).dot(row))  # |y_{i-1}|^2
                a /= max(square, 0.0) ** 0.5 + NORM_EPSILON
            w = a / (a + s) if abs(a + s) >= DENOMINATOR_MIN else 0.0
            row = np.multiply(row, w, out=out)
            row[i] = 1.0 - w
    return rows


def _transposed_attention(dy: Tensor, x: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Compute A^T dY of one image; (N, C) each."""
    chunks = list(_chunks(x, hole, similarity))
    if not chunks:
        return dy
    back = dy.masked_fill(hole[:, None], 0.0)
    carried = dy.new_zeros(dy.shape[1])  # gradient of the vector a later chunk started from
    for chunk in reversed(chunks):
        gradient = dy[chunk.holes]
        gradient[-1] += carried
        of_basis = chunk.attention.T @ gradient  # (S + 1, C)
        carried = of_basis[0]
        back.index_add_(0, chunk.matches, of_basis[1:])
    return back


def _float32(features: Tensor) -> torch.autocast:
    """Return a context without autocast, so that matrix products stay in float32."""
    return torch.autocast(features.device.type, enabled=False)


def _unit(vectors: Tensor) -> Tensor:
    """Scale (N, C) vectors to length 1; near-zero ones stay near zero."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / (lengths + NORM_EPSILON)


def _vectors(image: Tensor) -> Tensor:
    """Copy (C, H, W) of any type to (N, C) float32."""
    return image.flatten(1).float().T.clone(memory_format=torch.contiguous_format)


def _holes(hole: Tensor) -> Tensor:
    """Convert (B, 1, H, W) to (B, N) bool; an image without known positions gets no hole."""
    marked = hole.flatten(1) > HOLE_THRESHOLD
    return marked & ~marked.all(dim=1, keepdim=True)
