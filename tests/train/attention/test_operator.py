"""What the torch operator adds to the properties of every form; see ``tests/attention``."""

import numpy as np
import pytest
import torch
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from csakit.train.attention.operator import coherent_semantic_attention, match_indices
from helpers.features import Floats, feature_like, random_hole

each_similarity = pytest.mark.parametrize("similarity", SIMILARITIES)


def filled_by_torch(features: Floats, hole: Floats, similarity: Similarity) -> Floats:
    x, mask = torch.from_numpy(features), torch.from_numpy(hole)
    filled: Floats = coherent_semantic_attention(x, mask, similarity).numpy()
    return filled


@each_similarity
def test_every_image_of_a_batch_has_its_own_mask(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = np.repeat(feature_like(rng, 1, 16, 9, 10), 4, axis=0)
    hole = random_hole(rng, 4, 9, 10)
    hole[1], hole[2] = 0.0, 1.0

    together = filled_by_torch(features, hole, similarity)

    for i in range(4):
        alone = filled_by_torch(features[i : i + 1], hole[i : i + 1], similarity)
        np.testing.assert_array_equal(together[i : i + 1], alone)


@each_similarity
def test_match_indices_are_the_plans_of_the_oracle(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features = feature_like(rng, 3, 16, 9, 10)
    hole = random_hole(rng, 3, 9, 10)
    hole[2] = 1.0

    matches = match_indices(torch.from_numpy(features), torch.from_numpy(hole), similarity)

    expected = np.tile(np.arange(90), (3, 1))  # a known position names itself
    for row, plan in zip(expected, reference.plans(features, hole, similarity), strict=True):
        row[plan.holes] = plan.matches
    assert matches.dtype == torch.int64
    np.testing.assert_array_equal(matches.numpy(), expected)
