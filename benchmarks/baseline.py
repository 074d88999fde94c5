"""The baseline: CSA as a Python loop over positions, in torch.

Written from the paper, with the steps that the published layer spends its time on. It is checked
before it is timed. Letters: C channels, H W sides, N = H * W positions, K known positions.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..plugins.spec import HOLE_THRESHOLD, NORM_EPSILON, Similarity


def coherent_semantic_attention(
    features: Tensor, hole: Tensor, similarity: Similarity = "projection"
) -> Tensor:
    """Fill (B, C, H, W) float32 features image by image; hole (B, 1, H, W), above 0.5 missing."""
    images = zip(features[:, None], hole[:, None], strict=True)
    return torch.cat([_fill(*image, similarity) for image in images])


def _fill(features: Tensor, hole: Tensor, similarity: Similarity) -> Tensor:
    height, width = features.shape[2:]
    x = features[0].flatten(1).T  # (N, C)
    is_hole = hole.flatten() > HOLE_THRESHOLD
    known = (~is_hole).nonzero()[:, 0]
    keys = _unit(x[known])
    similarities = F.conv2d(features, keys[:, :, None, None])[0].flatten(1)  # (K, N)
    scores, best = similarities.max(dim=0)
    if similarity == "cosine":
        scores = scores / (x.norm(dim=1) + NORM_EPSILON)
    attention = x.new_zeros(1, len(x), height, width)
    previous, previous_row = None, x.new_zeros(len(x))
    for position in range(len(x)):
        match = known[best[position]]
        row = x.new_zeros(len(x))
        if not is_hole[position]:
            row[position] = 1.0
        elif previous is None:
            row[match] = 1.0
            previous, previous_row = x[match], row
        else:
            query = _unit(x[position])
            key = _unit(previous) if similarity == "cosine" else previous
            adjacent = F.conv2d(key[None, :, None, None], query[None, :, None, None]).squeeze()
            share = adjacent / (adjacent + scores[position])
            row = previous_row * share
            row[match] += 1 - share
            previous, previous_row = share * previous + (1 - share) * x[match], row
        attention[0, :, position // width, position % width] = row
    pasted: Tensor = F.conv_transpose2d(attention, x[:, :, None, None])
    return pasted


def _unit(vectors: Tensor) -> Tensor:
    """Scale (..., C) vectors to length one."""
    scaled: Tensor = vectors / (vectors.norm(dim=-1, keepdim=True) + NORM_EPSILON)
    return scaled
