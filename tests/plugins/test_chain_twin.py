"""Why all chunks may be solved at once: the argument of plugins/csrc/rounds.cuh, tried in NumPy."""

import numpy as np
import pytest
from csakit.plugins.reference import plans
from helpers.chain_twin import CHUNK, Chain, at_once, chain_of, in_order
from helpers.features import feature_like, random_hole


def guesses(rng: np.random.Generator, chain: Chain) -> dict[str, list]:
    """Return the kernel's guess, nothing, and nonsense."""
    counts = [len(chain.scores[chain.rows(chunk)]) for chunk in range(chain.chunks)]
    last = [chain.gram(c - 1, 1)[:, -1] if c else np.zeros(n) for c, n in enumerate(counts)]
    return {
        "the last match": [values.astype(np.float32) for values in last],
        "nothing": [np.zeros(n, np.float32) for n in counts],
        "nonsense": [(1e3 * rng.standard_normal(n)).astype(np.float32) for n in counts],
    }


def test_in_order_it_is_the_oracle(rng: np.random.Generator) -> None:
    features, hole = feature_like(rng, 1, 64, 12, 15), random_hole(rng, 1, 12, 15, share=0.8)

    weights = in_order(chain_of(features, hole))

    (plan,) = plans(features, hole, "projection")
    np.testing.assert_allclose(weights, plan.weights, atol=1e-5)


def test_whatever_the_guess_the_result_has_the_bits_of_the_sequential_one(
    rng: np.random.Generator,
) -> None:
    chain = chain_of(feature_like(rng, 1, 64, 12, 24), random_hole(rng, 1, 12, 24, share=0.8))
    expected = in_order(chain)

    for name, guess in guesses(rng, chain).items():
        weights, rounds, proven = at_once(chain, guess)

        assert proven, name
        assert 2 <= rounds <= 4, name
        np.testing.assert_array_equal(weights.view(np.uint32), expected.view(np.uint32), name)


@pytest.mark.parametrize("channels", [2, 3, 24])
@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0])
def test_on_wild_features_the_rounds_end_and_what_is_proven_is_true(
    rng: np.random.Generator, channels: int, scale: float
) -> None:
    unproven = 0
    for _ in range(4):
        hole = random_hole(rng, 1, 12, 16, share=0.9)
        features = np.where(hole > 0, scale, 1.0) * rng.standard_normal((1, channels, 12, 16))
        chain = chain_of(features, hole)
        for guess in guesses(rng, chain).values():
            weights, rounds, proven = at_once(chain, guess)

            assert rounds <= chain.chunks + 1  # after round r the first r chunks are final
            if proven:
                np.testing.assert_array_equal(weights, in_order(chain))
            unproven += not proven
    assert unproven or scale == 1.0 or channels == 24


def test_a_chunk_that_is_alone_is_solved_at_once(rng: np.random.Generator) -> None:
    features, hole = feature_like(rng, 1, 16, 6, 8), np.zeros((1, 1, 6, 8))
    hole.reshape(-1)[1 : CHUNK + 1] = 1
    chain = chain_of(features, hole)

    weights, rounds, proven = at_once(chain, [np.zeros(CHUNK, np.float32)])

    assert (rounds, proven) == (1, True)
    np.testing.assert_array_equal(weights, in_order(chain))
