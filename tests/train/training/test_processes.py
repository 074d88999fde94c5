"""Several processes act as one with the whole batch, share refusals, and stop at signals."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError, LibraryError
from csakit.train.training.config import EngineConfig
from csakit.train.training.processes import (
    StopSignals,
    max_over_processes,
    mean_over_processes,
    on_first_process,
    start,
)
from helpers import mean_of_two
from safetensors.torch import load_file


def test_the_mean_of_two_processes_has_the_gradient_of_one_with_all_scores(tmp_path: Path) -> None:
    command = [sys.executable, mean_of_two.__file__]
    running = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], cwd=Path(__file__).parents[3])
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]

    scores = mean_of_two.SCORES.clone().requires_grad_()
    loss = mean_of_two.losses_of(scores, scores.mean()).mean()
    loss.backward()

    found = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(2)]
    exact = {"rtol": 0.0, "atol": 1e-15}  # float64, four terms
    for one in found:
        torch.testing.assert_close(one["mean"], scores.mean().detach(), **exact)
    torch.testing.assert_close((found[0]["loss"] + found[1]["loss"]) / 2, loss.detach(), **exact)
    torch.testing.assert_close(torch.cat([one["gradient"] for one in found]), scores.grad, **exact)


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_remembered_and_the_old_handlers_return(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    with StopSignals() as stop:
        assert stop.received == 0
        os.kill(os.getpid(), number)
        assert stop.received == number

    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interrupt_interrupts_at_once() -> None:
    with StopSignals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_second_request_to_terminate_changes_nothing() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

        assert stop.received == signal.SIGTERM


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with StopSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [before]
