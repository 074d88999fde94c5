"""Coherent semantic attention in NumPy float64: the oracle of all fast versions.

Letters: B images, C channels, H W sides, N = H * W positions, K known, M hole positions,
h_1 < h_2 < ... < h_M the holes in raster order, unit(v) = v / (|v| + 1e-8).

For each image, with x its N vectors::

    searching    c_i = argmax over known k of <x[h_i], unit(x[k])>, the smallest k on ties
                 s_i = the maximum attained there
    generating   y_1 = x[c_1]
                 a_i = <unit(x[h_i]), y_{i-1}>
                 y_i = w_i y_{i-1} + (1 - w_i) x[c_i],  w_i = a_i / (a_i + s_i)

``similarity="cosine"`` also divides s_i by |x[h_i]| and a_i by |y_{i-1}|, as the paper
prints it; ``"projection"`` is the above, as the published code computes it.

The result is linear in the known vectors: y_i = sum over k of A_ik x[k], with A_1 = e_{c_1}
and A_i = w_i A_{i-1} + (1 - w_i) e_{c_i}. A is the attention.

Source: Liu et al., "Coherent Semantic Attention for Image Inpainting", ICCV 2019,
arXiv:1905.12384, section 3.2. Our s is their D_max, our a their D_ad.

Deviations from the published code: every image has its own mask; an image without known
positions is returned unchanged; w_i = 0 where |a_i + s_i| < 1e-6.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from .errors import ContractError
from .spec import DENOMINATOR_MIN, HOLE_THRESHOLD, NORM_EPSILON, SIMILARITIES, Similarity

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Matches, scores and weights of the M holes of one image."""

    holes: Indices  # positions h_1 < h_2 < ...
    matches: Indices  # positions c_1, c_2, ...
    scores: Array  # s_i
    weights: Array  # w_i, the share of the vector filled just before; w_1 = 0


def coherent_semantic_attention(
    features: npt.ArrayLike, hole: npt.ArrayLike, similarity: Similarity = "projection"
) -> Array:
    """Fill the hole positions of each feature map, (B, C, H, W); known ones equal the input.

    ``features`` are (B, C, H, W) of any real type, ``hole`` (B, 1, H, W), above 0.5 where missing.

    Raises:
        ContractError: ranks or sizes disagree, or the similarity is unknown.
    """
    x, holes = _checked(features, hole, similarity)
    filled = x.copy()
    for image, mask, out in zip(x, holes, filled, strict=True):
        _generate(image, _search(image, mask, similarity), similarity, out)
    return _as_map(filled, features)


def plans(
    features: npt.ArrayLike, hole: npt.ArrayLike, similarity: Similarity = "projection"
) -> list[Plan]:
    """Return the plan of each image: the match and the weight of every hole.

    Arguments and errors as ``coherent_semantic_attention``; no holes where nothing is filled.
    """
    x, holes = _checked(features, hole, similarity)
    return [
        _generate(image, _search(image, mask, similarity), similarity, image.copy())
        for image, mask in zip(x, holes, strict=True)
    ]


def attention_weights(
    features: npt.ArrayLike, hole: npt.ArrayLike, similarity: Similarity = "projection"
) -> Array:
    """Return the attention A of each image, (B, N, N): ``filled = A @ features``, by position.

    Rows of known positions, and of images that are left unchanged, are those of the identity. Rows
    of holes sum to 1 and use known positions only. Arguments and errors as
    ``coherent_semantic_attention``.
    """
    positions = int(np.prod(np.shape(features)[2:]))
    attention = []
    for plan in plans(features, hole, similarity):
        A = np.eye(positions)
        row = np.zeros(positions)
        for h, c, w in zip(plan.holes, plan.matches, plan.weights, strict=True):
            row = w * row
            row[c] += 1 - w
            A[h] = row
        attention.append(A)
    return np.stack(attention) if attention else np.zeros((0, positions, positions))


def input_gradient(
    features: npt.ArrayLike,
    hole: npt.ArrayLike,
    output_gradient: npt.ArrayLike,
    similarity: Similarity = "projection",
) -> Array:
    """Return the gradient with respect to the features: ``dX = dY + A^T dY``, A held constant.

    The rule is the authors'. It is not the derivative of the map, whose part through the
    copied vectors is A^T dY alone: the features in the hole are trained too, as if a skip
    connection led around the layer. All are (B, C, H, W), ``output_gradient`` is dY.

    Raises:
        ContractError: as ``coherent_semantic_attention``.
    """
    A = attention_weights(features, hole, similarity)
    dY = np.asarray(output_gradient, dtype=np.float64)
    if dY.shape != np.shape(features):
        raise ContractError(
            f"the output gradient must have the shape of the features {np.shape(features)}; "
            f"got {dY.shape}"
        )
    dY = _as_rows(dY)
    return _as_map(dY + A.transpose(0, 2, 1) @ dY, features)


def unit(vectors: Array) -> Array:
    """Scale (..., C) vectors to length one, v / (|v| + 1e-8); near-zero ones stay near zero."""
    norms: Array = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / (norms + NORM_EPSILON)


def _search(x: Array, hole: npt.NDArray[np.bool_], similarity: Similarity) -> Plan:
    """Match every hole of one image, (N, C) and (N,), with its best known position."""
    holes, known = np.flatnonzero(hole), np.flatnonzero(~hole)
    if holes.size == 0 or known.size == 0:
        nowhere = np.zeros(0, dtype=np.int64)
        return Plan(nowhere, nowhere, np.zeros(0), np.zeros(0))
    queries = x[holes] if similarity == "projection" else unit(x[holes])
    similarities = queries @ unit(x[known]).T  # (M, K)
    best = similarities.argmax(axis=1)  # the first of equals
    scores = similarities[np.arange(holes.size), best]
    return Plan(holes, known[best], scores, np.zeros(holes.size))


def _generate(x: Array, plan: Plan, similarity: Similarity, out: Array) -> Plan:
    """Fill ``out``, (N, C), hole by hole; return the plan with its weights."""
    directions = unit(x)
    weights = plan.weights.copy()
    previous = np.zeros(x.shape[1])
    for i, (h, c, s) in enumerate(zip(plan.holes, plan.matches, plan.scores, strict=True)):
        a = directions[h] @ (previous if similarity == "projection" else unit(previous))
        if i > 0 and abs(a + s) >= DENOMINATOR_MIN:
            weights[i] = a / (a + s)
        previous = weights[i] * previous + (1 - weights[i]) * x[c]
        out[h] = previous
    return dataclasses.replace(plan, weights=weights)


def _checked(
    features: npt.ArrayLike, hole: npt.ArrayLike, similarity: str
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return (B, N, C) features and (B, N) holes."""
    if similarity not in SIMILARITIES:
        raise ContractError(f"similarity must be one of {SIMILARITIES}; got {similarity!r}")
    x, holes = np.asarray(features, dtype=np.float64), np.asarray(hole)
    if x.ndim != 4:
        raise ContractError(f"features must be (B, C, H, W); got shape {x.shape}")
    if holes.shape != (x.shape[0], 1, *x.shape[2:]):
        raise ContractError(
            f"hole must be (B, 1, H, W) with B, H, W of features {x.shape}; got shape {holes.shape}"
        )
    return _as_rows(x), holes.reshape(x.shape[0], math.prod(x.shape[2:])) > HOLE_THRESHOLD


def _as_rows(maps: Array) -> Array:
    """Return (B, C, H, W) as (B, N, C)."""
    rows: Array = maps.reshape(*maps.shape[:2], math.prod(maps.shape[2:])).transpose(0, 2, 1)
    return rows


def _as_map(rows: Array, like: npt.ArrayLike) -> Array:
    """Return (B, N, C) as the (B, C, H, W) of ``like``."""
    return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(np.shape(like))
