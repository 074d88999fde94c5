"""Initialisation of a run: networks, new or from a checkpoint, and data."""

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...plugins.errors import ContractError
from .. import checkpoint
from ..config import ModelConfig
from ..data import ImageSource, MaskSource, open_images, open_masks
from ..data.loader import evaluation_pairs
from ..evaluation.scores import Pair
from ..networks.inpainter import CSAInpainter, start_near_zero
from .config import DataConfig, TrainConfig
from .discriminator_pair import DiscriminatorPair


def new_network(config: TrainConfig) -> CSAInpainter:
    """Create the generator, initialised from the seed or from a checkpoint."""
    start = config.optimisation.start
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.optimisation.seed)
        if start is None:
            return CSAInpainter(config.model)
        require_same_network(start, config.model)
        given = checkpoint.load(start)
        if given.config == config.model:
            return given.requires_grad_(True).train()
        network = CSAInpainter(config.model)
    network.load_state_dict(_with_more_inputs(given.state_dict(), network.state_dict()))
    if config.model.prediction == "residual" != given.config.prediction:
        start_near_zero(network)
    return network


def _with_more_inputs(given: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add missing input channels to convolutions, with weights of 0."""
    return {
        name: F.pad(tensor, (0, 0, 0, 0, 0, wanted[name].shape[1] - tensor.shape[1]))
        if tensor.ndim == 4
        else tensor
        for name, tensor in given.items()
    }


def new_discriminators(config: TrainConfig) -> DiscriminatorPair | None:
    """Create the discriminators, initialised from the seed; None if none is trained."""
    if not config.losses.needs_discriminators:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.optimisation.seed)
        return DiscriminatorPair(config.losses)


def require_same_network(start: str, wanted: ModelConfig) -> None:
    """Check that a checkpoint fits a run; the paper's network may start any other form."""
    header = checkpoint.read_header(start)
    differing = {
        name: header[name]
        for name, value in dataclasses.asdict(wanted).items()
        if header[name] not in (value, checkpoint.PAPERS_FORM.get(name, value))
    }
    if differing:
        ours = ", ".join(f"{name} {getattr(wanted, name)}" for name in differing)
        theirs = ", ".join(f"{name} {value}" for name, value in differing.items())
        flags = " ".join(f"--{name} {value}" for name, value in differing.items())
        raise ContractError(
            f"{start} must hold a network of this run's {ours}; it has {theirs}\n"
            f"Train that network with {flags}."
        )


def start_history(start: str | None) -> dict[str, Any]:
    """Return the training summary of the checkpoint to start from."""
    return {} if start is None else {"start": checkpoint.read_header(start)["training"]}


@dataclasses.dataclass(frozen=True)
class RunData:
    """Opened training and validation data."""

    images: ImageSource  # to train on
    masks: MaskSource  # to train on
    pairs: list[Pair]  # to validate with; may be empty


def open_run_data(config: TrainConfig) -> RunData:
    """Open the data of a run."""
    data = config.data
    images = open_images(data.data, recipe=data.recipe, split="train", cache_mib=data.cache)
    masks = _open_masks(data, data.masks)
    if not data.validation_count:
        return RunData(images, masks, [])
    own = data.validation is not None  # a separate set is used whole, unless it has a split
    held_out = open_images(
        data.validation or data.data, recipe=data.recipe, split="auto" if own else "val"
    )
    holes = _open_masks(data, data.validation_masks or data.masks)
    pairs = evaluation_pairs(
        held_out, holes, size=data.size, seed=config.optimisation.seed, count=data.validation_count
    )
    return RunData(images, masks, list(pairs))


def _open_masks(data: DataConfig, spec: str) -> MaskSource:
    stated = data.mask_buckets
    buckets = None if stated is None else [part.strip() for part in stated.split(",")]
    return open_masks(spec, buckets=buckets, invert=data.mask_invert, ratio=data.mask_ratio)
