"""The baseline is correct: it computes what the oracle computes, only slowly."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from csakit.benchmarks import baseline
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.features import feature_like, random_hole

Mask = npt.NDArray[np.float32]
Draw = Callable[[np.random.Generator], Mask]


def row_of_holes(rng: np.random.Generator) -> Mask:
    hole = np.zeros((1, 1, 7, 9), dtype=np.float32)
    hole[..., 3, :] = 1.0
    return hole


def one_known(rng: np.random.Generator) -> Mask:
    hole = np.ones((1, 1, 7, 9), dtype=np.float32)
    hole[..., 2, 4] = 0.0
    return hole


def no_hole(rng: np.random.Generator) -> Mask:
    return np.zeros((1, 1, 7, 9), dtype=np.float32)


def scattered(rng: np.random.Generator) -> Mask:
    return random_hole(rng, 1, 7, 9)


@pytest.mark.parametrize("holes", [row_of_holes, one_known, no_hole, scattered])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_loop_computes_what_the_oracle_computes(
    rng: np.random.Generator, holes: Draw, similarity: Similarity
) -> None:
    features, hole = feature_like(rng, 1, 16, 7, 9), holes(rng)

    filled = baseline.coherent_semantic_attention(
        torch.from_numpy(features), torch.from_numpy(hole), similarity
    )

    expected = reference.coherent_semantic_attention(features, hole, similarity)
    # float32 sums in another order, over up to 62 dependent steps
    np.testing.assert_allclose(filled, expected, rtol=1e-5, atol=1e-5)
