"""What a run begins with: new networks, or the weights of a checkpoint, and VGG-16."""

from pathlib import Path
from typing import Any

import torch

from ...plugins.errors import ContractError
from .. import checkpoint
from ..config import ModelConfig
from ..inpainter import CSAInpainter
from ..vgg import VGG16Features, load_vgg
from .config import CACHED_VGG, RANDOM_VGG, TrainConfig
from .critics import Critics


def new_network(config: TrainConfig) -> CSAInpainter:
    """Make the generator, with the seed's weights or those of the checkpoint to start from.

    Raises:
        ContractError: the checkpoint cannot be read, or is of another network.
    """
    start = config.optimisation.start
    if start is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.optimisation.seed)
            return CSAInpainter(config.model)
    require_same_network(start, config.model)
    return checkpoint.load(start).requires_grad_(True)


def new_critics(config: TrainConfig) -> Critics | None:
    """Make the discriminators with the seed's weights; None where none is trained."""
    if not config.losses.needs_critics:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.optimisation.seed)
        return Critics(config.losses)


def open_vgg(weights: str) -> VGG16Features:
    """Load VGG-16.

    Args:
        weights: "cache", "random", or a file.

    Raises:
        ContractError: there are no such weights; the text says how to get them.
    """
    if weights == CACHED_VGG:
        return load_vgg(None)
    return load_vgg("random" if weights == RANDOM_VGG else Path(weights))


def require_same_network(start: str, wanted: ModelConfig) -> None:
    """Refuse a checkpoint of another network, and say which flags would fit it.

    Raises:
        ContractError: it is another network's, or cannot be read.
    """
    header = checkpoint.read_header(start)
    found = {name: header[name] for name in ("width", "attention", "similarity")}
    differing = {name: value for name, value in found.items() if value != getattr(wanted, name)}
    if differing:
        ours = ", ".join(f"{name} {getattr(wanted, name)}" for name in differing)
        theirs = ", ".join(f"{name} {value}" for name, value in differing.items())
        flags = " ".join(f"--{name} {value}" for name, value in differing.items())
        raise ContractError(
            f"{start} must hold a network of this run's {ours}; it has {theirs}\n"
            f"Train that network with {flags}."
        )


def history_of(start: str | None) -> dict[str, Any]:
    """Give what a checkpoint to start from says of its own training."""
    return {} if start is None else {"start": checkpoint.read_header(start)["training"]}
