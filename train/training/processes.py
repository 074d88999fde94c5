"""The processes of a run: start, common decisions, means with gradient. R is their number."""

from collections.abc import Callable
from typing import Any, Final, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

from ...plugins.errors import ContractError, LibraryError
from .config import EngineConfig, Precision

_PRECISIONS: Final[dict[Precision, Literal["32-true", "bf16-mixed", "64-true"]]] = {
    "32": "32-true",
    "bf16-mixed": "bf16-mixed",
    "64": "64-true",
}
STRATEGY_OF_MANY: Final = "ddp"  # what "auto" means for several processes, said aloud


def start(config: EngineConfig) -> Fabric:
    """Start the processes of a run; in each of them this call returns the engine."""
    several = config.devices * config.nodes > 1
    strategy = STRATEGY_OF_MANY if several and config.strategy == "auto" else config.strategy
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=strategy,
            precision=_PRECISIONS[config.precision],
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
    """Sum over processes, with gradient; torch's own function for it is deprecated."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
