"""What benchmarks and tests draw looks like what a network makes."""

import numpy as np
import pytest
import torch
from csakit.benchmarks.inputs import LEAK, feature_like, random_model, smooth
from csakit.benchmarks.latency.cases import make_cases
from csakit.benchmarks.latency.plan import Plan
from csakit.train import ModelConfig


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


def test_the_same_arguments_give_the_same_weights() -> None:
    first, second = (random_model(ModelConfig(width=2)).state_dict() for _ in range(2))

    assert all(tensor.equal(second[name]) for name, tensor in first.items())
    other = random_model(ModelConfig(width=2), seed=1).state_dict()
    assert not all(tensor.equal(other[name]) for name, tensor in first.items())


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()

    random_model(ModelConfig(width=1))

    assert torch.get_rng_state().equal(before)


def test_features_point_one_way_as_those_of_trained_networks() -> None:
    (case,) = make_cases(Plan(holes=("center",)))
    model = random_model(ModelConfig(width=8))

    with torch.inference_mode():
        stages = model.stages(torch.from_numpy(case.image), torch.from_numpy(case.hole))

    vectors = torch.nn.functional.normalize(stages.features[0].flatten(1), dim=0)  # (C, N)
    assert (vectors.T @ vectors).mean() > 0.3  # 0 for directions without anything in common
    assert 0.05 < stages.features.std() < 5
    assert stages.result.isfinite().all()
