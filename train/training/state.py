"""The complete state of a run in one safetensors file, from which it resumes exactly.

Tensors are ``network...``, ``critics...``, ``average...``, and ``optimiser.<name>.<number of the
parameter>.<key>``; the rest is JSON in the metadata. Data and random numbers need no state: they
follow from the seed and the number of the step.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ...plugins.errors import ContractError, DivergenceError
from ..checkpoint import write_tensors
from .train_step import TrainStep

FORMAT_VERSION: Final = 1
_KEY: Final = "csakit_training"


@dataclasses.dataclass
class Progress:
    """How far a run has come."""

    step: int = 0  # finished steps; the number of the next one
    seconds: float = 0.0  # of training, over all sessions of the run
    # highest PSNR in the hole of a validation; None before the first
    best_psnr_db: float | None = None
    best_step: int | None = None  # finished steps at that validation


def save_state(train_step: TrainStep, progress: Progress, path: Path) -> None:
    """Write the state; interrupted calls leave no partial file. DivergenceError if not finite."""
    tensors = {name: t.detach().to("cpu").contiguous() for name, t in _tensors(train_step)}
    if not_finite := [name for name, t in tensors.items() if not t.isfinite().all()]:
        raise DivergenceError(
            f"every weight must be finite after step {progress.step}; {len(not_finite)} tensors "
            f"are not, the first {not_finite[0]}\nResume from the state before with a smaller "
            "learning rate in a new run, or with --clip."
        )
    header = {"format": FORMAT_VERSION, **dataclasses.asdict(progress)}
    write_tensors(path, tensors, {_KEY: header})


def load_state(train_step: TrainStep, path: Path) -> Progress:
    """Load a state into a new train step of the same configuration; return its progress."""
    try:
        with safe_open(path, framework="pt") as file:
            progress = _progress(file.metadata() or {}, path)
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ContractError(
            f"{path} is not a readable state: {error}\nRemove it, to resume from the state before."
        ) from error
    for prefix, module in _modules(train_step):
        try:
            module.load_state_dict(_below(stored, prefix))
        except RuntimeError as error:
            raise ContractError(f"{path} is a state of another configuration: {error}") from error
    for name, optimiser in train_step.optimisers.items():
        _load_optimiser(optimiser, _below(stored, f"optimiser.{name}"), path)
    return progress


def _modules(train_step: TrainStep) -> Iterator[tuple[str, nn.Module]]:
    yield "network", train_step.network
    if train_step.discriminators is not None:
        yield "critics", train_step.discriminators
    if train_step.average is not None:
        yield "average", train_step.average


def _tensors(train_step: TrainStep) -> Iterator[tuple[str, Tensor]]:
    for prefix, module in _modules(train_step):
        for name, tensor in module.state_dict().items():
            yield f"{prefix}.{name}", tensor
    for prefix, optimiser in train_step.optimisers.items():
        for number, state in optimiser.state_dict()["state"].items():
            for key, tensor in state.items():
                yield f"optimiser.{prefix}.{number}.{key}", tensor


def _below(stored: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in stored.items() if name.startswith(start)}


def _load_optimiser(
    optimiser: torch.optim.Optimizer, stored: dict[str, Tensor], path: Path
) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    whole = optimiser.state_dict()
    count = sum(len(group["params"]) for group in whole["param_groups"])
    if state and sorted(state) != list(range(count)):
        raise ContractError(
            f"{path} is a state of another configuration: it has optimiser states of "
            f"{len(state)} of {count} tensors"
        )
    optimiser.load_state_dict({**whole, "state": state})


def _progress(metadata: dict[str, str], path: Path) -> Progress:
    try:
        header: dict[str, Any] = json.loads(metadata[_KEY])
        version = header.pop("format")
        if version == FORMAT_VERSION:
            return Progress(**header)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{path} was not written by `csakit train`") from error
    raise ContractError(f"{path} has state format {version!r}; this csakit reads {FORMAT_VERSION}")
