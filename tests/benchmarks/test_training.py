"""The cost of CSA in training is measured on steps that differ in the attention alone."""

import pytest
import torch
from csakit.benchmarks.training import LIMIT, Step, measure
from csakit.plugins.errors import ContractError
from csakit.train import ModelConfig


def test_the_steps_differ_in_their_attention_alone() -> None:
    csa, none = (Step(ModelConfig(width=1, attention=kind)) for kind in ("csa", "none"))

    weights, others = csa.network.state_dict(), none.network.state_dict()

    assert weights.keys() == others.keys()
    assert all(weights[name].equal(others[name]) for name in weights)
    assert csa.attends()
    assert not none.attends()


def test_a_step_trains_the_network() -> None:
    step = Step(ModelConfig(width=1))
    before = step.network.rough.levels[0].down.weight.clone()

    step()

    assert not step.network.rough.levels[0].down.weight.equal(before)


def test_the_ratio_is_reported_beside_its_limit_and_threads_are_restored() -> None:
    threads = torch.get_num_threads()

    (found,) = measure(1, width=1, rounds=1)

    assert str(LIMIT) in found.target
    assert "width 1" in found.what
    assert found.met == (float(found.found.split()[0]) <= LIMIT)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("threads", "rounds"), [(0, 1), (1, 0)])
def test_nothing_to_measure_with_is_refused(threads: int, rounds: int) -> None:
    with pytest.raises(ContractError, match="threads and rounds must be at least 1"):
        next(measure(threads, rounds=rounds))
