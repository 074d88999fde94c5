"""What benchmarks and tests draw looks like what a network makes."""

import numpy as np
import pytest
from csakit.benchmarks.features import LEAK, feature_like, smooth


def test_features_point_the_same_way(rng: np.random.Generator) -> None:
    features = feature_like(rng, 2, 64, 12, 10)

    rows = features.transpose(0, 2, 3, 1).reshape(-1, 64)
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert features.shape == (2, 64, 12, 10)
    assert features.dtype == np.float32
    assert (directions @ directions.T).min() > 0.2  # the recurrence is well-conditioned


def test_negative_values_are_those_of_a_leaky_relu(rng: np.random.Generator) -> None:
    features = feature_like(rng, 1, 64, 12, 12)

    assert 0 < (features < 0).mean() < 0.2
    assert features.min() > LEAK * (1.5 - 6)


def test_the_same_seed_draws_the_same_features() -> None:
    first, second = (feature_like(np.random.default_rng(7), 1, 3, 5, 6) for _ in range(2))

    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("grain", [2, 8])
def test_neighbours_resemble_each_other_more_the_coarser_the_grain(
    rng: np.random.Generator, grain: int
) -> None:
    values = smooth(rng, (4, 8, 32, 32), grain=grain)

    step = np.abs(np.diff(values, axis=-1)).mean()
    assert step == pytest.approx({2: 0.42, 8: 0.15}[grain], rel=0.25)
