"""The training loop: batches, steps, logs and states, until the end or a signal."""

import dataclasses
import logging
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ...plugins.errors import CsakitError, DivergenceError, ExitCode
from ...runtime.files.atomic import atomic_write
from .. import checkpoint
from ..data.loader import Batch, training_batches
from . import config_file
from .config import TrainConfig
from .initialisation import RunData, open_run_data, start_history
from .metrics_log import MeanLosses, MetricsLog
from .processes import StopSignals, max_over_processes, on_first_process, start
from .run_folder import RunFolder
from .state import Progress, load_state, save_state
from .train_step import TrainStep, learning_rate
from .validation import training_grid, validate

_SIGNAL_BASE: Final = 128  # what shells add to the number of a signal

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one call of ``train``."""

    step: int  # finished steps
    signal: int  # that stopped the run; 0 if none did
    first: bool  # whether this is the first of the run's processes, which reports

    @property
    def exit_code(self) -> int:
        """The exit code of the command; only the first process reports a signal."""
        return _SIGNAL_BASE + self.signal if self.signal and self.first else ExitCode.OK


def train(config: TrainConfig, folder: Path, *, resume: bool = False) -> Outcome:
    """Train a network; starts the processes of the run and returns in each of them.

    A resumed run continues from its newest state, or from the beginning if it has none; any other
    run needs a new folder. A run that a signal or the time limit stops is saved.

    Raises:
        ContractError: data, weights or the folder cannot be used.
        DivergenceError: a loss or a weight is not finite; the batch is saved.
        ResourceError: the disk is full.
        LibraryError: the accelerator is not available.
    """
    run = RunFolder(folder)
    if not resume:
        run.require_new()  # before processes are started
    data = open_run_data(config)
    fabric = start(config.engine)
    try:
        train_step = TrainStep(config, fabric)
        newest = run.newest_state() if resume else None
        progress = load_state(train_step, newest) if newest else Progress()
        if not resume:
            on_first_process(fabric, run.create)
        on_first_process(fabric, lambda: config_file.write(config, run.config))
        session = _Session(config, run, fabric, train_step, data, progress)
        if fabric.is_global_zero:
            logger.info("%s", session.heading())
        with StopSignals() as stop:
            signal = session.train(stop)
        if fabric.is_global_zero:
            logger.info("%s", session.closing(signal))
    except CsakitError as error:
        if fabric.is_global_zero:
            raise
        logger.debug("process %d: %s", fabric.global_rank, error)  # the first one reports it
        return Outcome(step=0, signal=0, first=False)
    return Outcome(step=progress.step, signal=signal, first=fabric.is_global_zero)


@dataclasses.dataclass(eq=False)
class _Session:
    """One call of ``train``; only the progress and the train step change."""

    config: TrainConfig
    run: RunFolder
    fabric: Fabric
    train_step: TrainStep
    data: RunData
    progress: Progress
    log: MetricsLog | None = None  # of the first process only
    first_step: bool = True

    def __post_init__(self) -> None:
        self.means = MeanLosses()
        self.skipped = set[str]()  # files of this session, with the reasons
        self.session_started = time.monotonic()
        self.started = self.session_started - self.progress.seconds
        # read now: the file may be gone when the first checkpoint is written
        self.start_history = start_history(self.config.optimisation.start)

    def train(self, stop: StopSignals) -> int:
        """Run the remaining steps; return the signal that ended it early, or 0."""
        steps = self.config.optimisation.steps
        if not self.fabric.is_global_zero:
            return self._steps(stop)
        images = self.config.data.batch * self.fabric.world_size
        with MetricsLog(
            self.run, step=self.progress.step, steps=steps, images_per_step=images
        ) as self.log:
            return self._steps(stop)

    def heading(self) -> str:
        """Return the first lines of the log: network, data, steps, and how to stop."""
        config, data, steps = self.config, self.data, self.config.optimisation.steps
        count = sum(parameter.numel() for parameter in self.train_step.network.parameters())
        done, world = self.progress.step, self.fabric.world_size
        if done >= steps:
            return f"{self.run.path} is finished after {done} steps; --extend N trains on to N"
        validated = "no validation"
        if data.pairs:
            validated = f"{len(data.pairs)} every {config.records.validate_every} steps"
        lines = [
            f"network: {count / 1e6:.1f} million parameters, width {config.model.width}, attention "
            f"{config.model.attention}",
            f"images: {config.data.data}, {len(data.images)} an epoch; masks: {config.data.masks}",
            f"validation images: {validated}",
            f"steps {done + 1} to {steps} of batch {config.data.batch * world} on "
            f"{self.fabric.device}, {world} {'process' if world == 1 else 'processes'}",
        ]
        if config.losses.needs_vgg and config.losses.vgg == "random":
            lines.append("--vgg random: the losses of VGG-16's features mean nothing; a smoke test")
        lines.append("Ctrl-C stops after the step that is running, and saves.")
        return "\n".join(lines)

    def closing(self, signal: int) -> str:
        """Return the last lines of the log: progress, files, and the next command."""
        done, steps, run = self.progress.step, self.config.optimisation.steps, self.run
        if done < steps:
            path = shlex.quote(str(run.path))
            why = "stopped" if signal else f"the {self.config.records.minutes:g} minutes are up"
            return f"{why} after step {done} of {steps}; resume: csakit train --resume {path}"
        best = ""
        if self.progress.best_psnr_db is not None:
            best = f"; best.safetensors beside it, of step {self.progress.best_step}, has "
            best += f"{self.progress.best_psnr_db:.2f} dB in validation holes"
        export = f"csakit export {shlex.quote(str(run.model))} -o model.onnx"
        return f"wrote {run.model} after {done} steps{best}\nnext: {export}"

    def _steps(self, stop: StopSignals) -> int:
        signal = out_of_time = 0
        for batch in self._batches():
            self._step(batch)
            self._report(batch)
            flags = stop.received, int(self._minutes_are_up())
            signal, out_of_time = max_over_processes(self.fabric, *flags)
            last = self.progress.step == self.config.optimisation.steps
            if last or signal or out_of_time or self._due(self.config.records.save_every):
                on_first_process(self.fabric, self._save)
            if signal or out_of_time:
                break
        return signal

    def _batches(self) -> Iterable[Batch]:
        options = self.config.data
        return training_batches(
            self.data.images,
            self.data.masks,
            size=options.size,
            batch=options.batch,
            seed=self.config.optimisation.seed,
            workers=options.workers,
            start_step=self.progress.step,
            steps=self.config.optimisation.steps,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
        )

    def _step(self, batch: Batch) -> None:
        image, hole = self.fabric.to_device((batch.image, batch.hole))
        losses = self.train_step.run(image, hole, self.progress.step)
        wrong = [name for name, loss in losses.items() if not torch.isfinite(loss)]
        (anywhere,) = max_over_processes(self.fabric, len(wrong))
        if anywhere:
            self._raise_divergence(batch, wrong)
        self.progress.step += 1
        now = time.monotonic()
        self.progress.seconds = now - self.started
        if self.log and self.first_step:
            left = self.config.optimisation.steps - self.progress.step
            self.log.note(f"the first step took {now - self.session_started:.1f} s; {left} to go")
        self.first_step = False
        self.means.add(losses)
        self.skipped.update(batch.broken)

    def _report(self, batch: Batch) -> None:
        """Log the losses, validation and images that are due after a step."""
        options, step = self.config.records, self.progress.step
        if self._due(options.log_every):
            means = self._shared(self.means.take())
            if self.log:
                rate = learning_rate(self.config.optimisation, step - 1)
                counts = {"learning_rate": rate, "skipped_files": len(self.skipped)}
                self.log.log_losses(step, means | counts)
        if self._due(options.validate_every) and self.data.pairs:
            on_first_process(self.fabric, self._validate)
        if self.log:
            self.log.advance()
            if self._due(options.image_every):
                shown = self.fabric.to_device((batch.image, batch.hole))
                self.log.log_images("training", step, training_grid(self.train_step.result, *shown))

    def _due(self, every: int) -> bool:
        return self.progress.step % every == 0

    def _minutes_are_up(self) -> bool:
        minutes = self.config.records.minutes
        return minutes is not None and time.monotonic() - self.session_started > 60 * minutes

    def _shared(self, means: dict[str, float]) -> dict[str, float]:
        """Return means averaged over processes."""
        if self.fabric.world_size == 1:
            return means
        values = torch.tensor([*means.values()], device=self.fabric.device)
        reduced = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return dict(zip(means, reduced.tolist(), strict=True))

    def _validate(self) -> None:
        assert self.log
        step, progress = self.progress.step, self.progress
        psnr_db, grid = validate(self.train_step.result, self.data.pairs)
        best = progress.best_psnr_db is None or psnr_db > progress.best_psnr_db
        if best:
            progress.best_psnr_db, progress.best_step = psnr_db, step
            self._write_model(self.run.best)
        self.log.log_validation(step, psnr_db, grid, best=best)

    def _save(self) -> None:
        save_state(self.train_step, self.progress, self.run.state(self.progress.step))
        self._write_model(self.run.model)
        self.run.remove_old_states(self.config.records.keep)

    def _write_model(self, path: Path) -> None:
        checkpoint.save(self.train_step.result, path, dtype=torch.float32, training=self._summary())

    def _summary(self) -> dict[str, Any]:
        """Return the training summary of the checkpoint."""
        progress = self.progress
        vgg = self.train_step.vgg
        return {
            "recipe": "csakit train",
            "steps": progress.step,
            "hours": round(progress.seconds / 3600, 3),
            "processes": self.fabric.world_size,
            "images": self.data.images.summary(),
            "masks": self.data.masks.summary(),
            "vgg": None if vgg is None else {"kind": vgg.kind, "origin": vgg.origin},
            "validation_hole_psnr_db": progress.best_psnr_db,
            "configuration": self.config.to_dict(),
            **self.start_history,
        }

    def _raise_divergence(self, batch: Batch, wrong: list[str]) -> None:
        """Save the batch and raise DivergenceError."""
        step = self.progress.step
        path = self.run.bad_batch(step, self.fabric.global_rank)
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, image=batch.image.numpy(), hole=batch.hole.numpy())
        self.fabric.barrier()
        names = f": {', '.join(wrong)}" if wrong else ", in another process"
        raise DivergenceError(
            f"every loss must be finite; step {step} has one that is not{names}\n"
            f"Its batch (image, hole) is in {path}.\n"
            f"Repeat it from the last state with `csakit train --resume {self.run.path}`; a "
            "smaller --learning-rate or --clip, in a new run, may avoid it."
        )
