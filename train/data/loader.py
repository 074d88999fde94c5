"""Batches for training and pairs for evaluation.

Letters: B images of a batch on one process, H = W = S sides in pixels.
"""

import itertools
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...plugins.errors import ContractError
from ...runtime.tensors.pixels import float_from_uint8
from .protocols import BrokenImageError, Hole, ImageSource, MaskSource, Pixels
from .sampling import Failure, Sample, Stream, TrainingSamples, draw_hole, generator

logger = logging.getLogger(__name__)

_PREFETCH: Final = 4  # batches that each worker prepares ahead; absorbs slow files


class Batch(NamedTuple):
    """The images and holes of one training step."""

    image: Tensor  # (B, 3, H, W) float32 in [-1, 1], RGB
    hole: Tensor  # (B, 1, H, W) float32, 1 = missing
    broken: tuple[str, ...]  # a line for each file that was skipped: its name and the reason


def training_batches(
    images: ImageSource,
    masks: MaskSource,
    *,
    size: int,
    batch: int,
    seed: int,
    workers: int,
    start_step: int,
    steps: int,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """Return the batches of steps ``start_step`` to ``steps`` - 1 of a run.

    The samples of a run have one endless order, epoch after epoch, each a permutation. Step t
    takes positions t B W to (t + 1) B W - 1 for W = ``world``, of which rank r has the r-th B.
    A sample depends on seed, epoch and image alone: not on workers, ranks, or where a run was
    resumed. A file that cannot be read is replaced by the next one of the epoch, named in the
    batch, and logged once. ``workers`` processes prepare batches, 0 prepares them in this one;
    they are not in this process's group, so Ctrl-C does not end them.

    Raises:
        ContractError: while iterating: no file can be read.
    """
    firsts = ((step * world + rank) * batch for step in range(start_step, steps))
    positions = ([*range(first, first + batch)] for first in firsts)
    return _batches(TrainingSamples(images, masks, size, seed), positions, workers)


def evaluation_pairs(
    images: ImageSource,
    masks: MaskSource,
    *,
    size: int,
    seed: int,
    count: int | None = None,
    broken: list[str] | None = None,
) -> Iterator[tuple[str, Pixels, Hole]]:
    """Yield name, (S, S, 3) image and (S, S) hole of the first ``count`` images, always the same.

    Images that cannot be read are skipped with a warning, and ``broken`` receives a line for each.
    A seed, not negative, draws other holes than in training; ``count`` None takes all images.

    Raises:
        ContractError: no image, or no mask, can be read.
    """
    total = len(images) if count is None else min(count, len(images))
    skipped = 0
    broken = [] if broken is None else broken
    for index in range(total):
        rng = generator(seed, Stream.EVALUATION_IMAGE, index)
        try:
            image = images.load(index, size, rng)
        except BrokenImageError as error:
            skipped += 1
            broken.append(str(error))
            logger.warning("skipped: %s", error)
            continue
        hole, broken_masks = draw_hole(masks, size, seed, Stream.EVALUATION_MASK, index)
        for line in broken_masks:
            logger.warning("skipped: %s", line)
        yield images.name(index), image, hole
    if 0 < skipped == total:
        raise ContractError(f"at least one image must be readable; none is: {broken[-1]}")


class _Raw(NamedTuple):
    """A batch as sent between processes: uint8 is a quarter of float32."""

    image: Tensor  # (B, H, W, 3) uint8
    hole: Tensor  # (B, H, W) bool
    broken: tuple[str, ...]


def _batches(
    samples: TrainingSamples, positions: Iterator[list[int]], workers: int
) -> Iterator[Batch]:
    """Start the workers and convert their uint8 batches to float32."""
    logged = set[str]()
    loader = iter(_loader(samples, positions, workers))
    try:
        for raw in loader:
            if isinstance(raw, Failure):
                raise ContractError(raw.message)
            for line in raw.broken:
                if line not in logged:
                    logger.warning("skipped: %s", line)
                    logged.add(line)
            image = torch.from_numpy(float_from_uint8(raw.image.numpy()))
            yield Batch(image, raw.hole[:, None].float(), raw.broken)
    finally:
        del loader  # ends the workers now, even while a traceback keeps this frame


def _loader(
    samples: TrainingSamples, positions: Iterator[list[int]], workers: int
) -> "DataLoader[_Raw | Failure]":
    context = None
    if workers:
        # Forking a process with threads, such as those of torch, may deadlock.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # imports torch once, not in each worker
    return DataLoader(
        samples,  # type: ignore[arg-type]  # collate changes the type
        batch_sampler=positions,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        multiprocessing_context=context,
        prefetch_factor=_PREFETCH if workers else None,
        generator=torch.Generator(),  # else it would advance the one that training uses
    )


def _collate(samples: "list[Sample | Failure]") -> "_Raw | Failure":
    """Stack samples to a batch, or return the first failure."""
    good = [sample for sample in samples if isinstance(sample, Sample)]
    if len(good) < len(samples):
        return next(sample for sample in samples if isinstance(sample, Failure))
    images, holes, broken = zip(*good, strict=True)
    return _Raw(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(holes)),
        tuple(itertools.chain(*broken)),
    )


def _start_worker(worker: int) -> None:
    """Detach a worker from the process group: the training process decides when to stop."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit with the training process; torch watches the fork server, which lives on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
