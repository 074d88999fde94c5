"""The processes of a run: start, shared decisions, means with gradient, stop signals.

R is the number of processes.
"""

import signal
import threading
import types
from collections.abc import Callable
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

from ...plugins.errors import ContractError, LibraryError
from .config import EngineConfig

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def start(config: EngineConfig) -> Fabric:
    """Start the processes of a run; return Lightning's Fabric in each of them."""
    several = config.devices * config.nodes > 1
    strategy = "ddp" if several else config.strategy
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=strategy,
            precision=config.precision,
        )
    except (RuntimeError, ValueError) as error:
        raise LibraryError(
            f"cannot train on {config.devices} x {config.accelerator}: {error}\n"
            "Choose another with --accelerator and --devices."
        ) from error
    fabric.launch()
    return fabric


def mean_over_processes(values: Tensor) -> Tensor:
    """Average a tensor over all its values and all processes, with gradient, to a scalar."""
    mean = values.mean()
    if not distributed.is_available() or not distributed.is_initialized():
        return mean
    # The sum has the sum over processes as its gradient, and the gradients of the R processes'
    # losses are averaged afterwards: as if one process had the whole batch.
    total: Tensor = _Sum.apply(mean)  # type: ignore[no-untyped-call]
    return total / distributed.get_world_size()


def on_first_process(fabric: Fabric, work: Callable[[], Any]) -> None:
    """Run a function in the first process while the others wait; all raise its ContractError."""
    refusal = None
    if fabric.is_global_zero:
        try:
            work()
        except ContractError as error:
            refusal = str(error)
    refusal = fabric.broadcast(refusal)
    if refusal is not None:
        raise ContractError(refusal)


def max_over_processes(fabric: Fabric, *flags: int) -> list[int]:
    """Return the largest value of each flag over all processes, so that all act alike."""
    if fabric.world_size == 1:
        return list(flags)
    shared = torch.tensor(flags, dtype=torch.int64, device=fabric.device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return [int(flag) for flag in shared.tolist()]


class _Sum(torch.autograd.Function):
    """Differentiable sum over processes; torch's own function for it is deprecated."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    backward = forward


class StopSignals:
    """Records the first SIGINT or SIGTERM; a second SIGINT interrupts at once. A context manager.

    In threads other than the main one, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.received = 0  # number of the signal; 0 is none
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {one: signal.signal(one, self._handle) for one in _STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _handle(self, number: int, _frame: types.FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
