"""Random networks are the same every time, and in the working range of a trained one."""

from pathlib import Path

import torch
from csakit.benchmarks.latency.cases import make_cases
from csakit.benchmarks.latency.plan import Plan
from csakit.benchmarks.random_weights import random_model
from csakit.train import ModelConfig


def test_the_same_arguments_give_the_same_weights() -> None:
    first, second = (random_model(ModelConfig(width=2)).state_dict() for _ in range(2))

    assert all(tensor.equal(second[name]) for name, tensor in first.items())
    other = random_model(ModelConfig(width=2), seed=1).state_dict()
    assert not all(tensor.equal(other[name]) for name, tensor in first.items())


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()

    random_model(ModelConfig(width=1))

    assert torch.get_rng_state().equal(before)


def test_features_point_one_way_as_those_of_trained_networks(tmp_path: Path) -> None:
    (case,) = make_cases(Plan(holes=("center",)), tmp_path)
    model = random_model(ModelConfig(width=8))

    with torch.inference_mode():
        stages = model.stages(torch.from_numpy(case.image), torch.from_numpy(case.hole))

    vectors = torch.nn.functional.normalize(stages.features[0].flatten(1), dim=0)  # (C, N)
    assert (vectors.T @ vectors).mean() > 0.3  # 0 for directions without anything in common
    assert 0.05 < stages.features.std() < 5
    assert stages.result.isfinite().all()
