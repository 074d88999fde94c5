"""One process acts alone; ``test_train.py`` trains with two, as with one and the whole batch."""

import pytest
import torch
from csakit.plugins.errors import ContractError, LibraryError
from csakit.train.training import EngineConfig
from csakit.train.training.processes import (
    max_over_processes,
    mean_over_processes,
    on_first_process,
    start,
)


def test_one_process_takes_its_own_mean() -> None:
    scores = torch.tensor([1.0, 3.0], requires_grad=True)

    mean = mean_over_processes(scores)
    mean.backward()

    assert float(mean.detach()) == 2.0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.5, 0.5]


def test_one_process_acts_on_its_own_flags_and_refusals() -> None:
    fabric = start(EngineConfig(accelerator="cpu"))

    def refuse() -> None:
        raise ContractError("the rule; got 1")

    assert max_over_processes(fabric, 15, 0) == [15, 0]
    with pytest.raises(ContractError, match="the rule; got 1"):
        on_first_process(fabric, refuse)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_accelerator_that_is_not_there_is_named() -> None:
    with pytest.raises(LibraryError, match=r"cannot train on 1 x cuda: .*\nChoose another with"):
        start(EngineConfig(accelerator="cuda"))
