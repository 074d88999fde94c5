"""The log of a run: progress bar, lines, JSON, TensorBoard; curves of several runs."""

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ...plugins.errors import ContractError
from ...runtime.files.atomic import atomic_write
from ...runtime.tensors.pixels import Uint8
from .run_folder import RunFolder

_BAR_LOSSES: Final = ("reconstruction", "consistency", "adversarial", "discriminators")

logger = logging.getLogger(__name__)


class MetricsLog:
    """Writes the scalars and images of a run, in its first process only. A context manager.

    Entries of an earlier session after ``step`` are dropped, because those steps run again.
    """

    def __init__(self, folder: RunFolder, *, step: int, steps: int, images_per_step: int) -> None:
        self._folder = folder
        self._images_per_step = images_per_step
        drop_after(folder.scalars, step)
        self._writer = SummaryWriter(str(folder.tensorboard), purge_step=step + 1)
        # disable=None: no bar without a terminal; lines are logged instead
        self._bar = tqdm(total=steps, initial=step, unit="step", disable=None, file=sys.stderr)
        self._since = (time.monotonic(), step)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._writer.close()

    def advance(self) -> None:
        """Count a step."""
        self._bar.update()

    def log_losses(self, step: int, means: dict[str, float]) -> None:
        """Log the means since the last call by name, and the speed."""
        now = time.monotonic()
        seconds, steps = now - self._since[0], step - self._since[1]
        self._since = (now, step)
        speed = steps * self._images_per_step / seconds
        self._write(step, {**means, "images_per_second": speed})
        shown = {name: f"{means[name]:.4f}" for name in _BAR_LOSSES if name in means}
        self._bar.set_postfix(shown | {"images/s": f"{speed:.2f}"})
        if self._bar.disable:
            words = " ".join(f"{name} {value}" for name, value in shown.items())
            logger.info("step %d of %d: %s, %.2f images/s", step, self._bar.total, words, speed)

    def log_validation(self, step: int, psnr_db: float, grid: Uint8, *, best: bool) -> None:
        """Log a validation; ``grid`` is (height, width, 3)."""
        self._write(step, {"validation_hole_psnr_db": psnr_db})
        self.log_images("validation", step, grid)
        with atomic_write(self._folder.samples) as temporary:
            Image.fromarray(grid).save(temporary)
        mark = ", the best so far" if best else ""
        self.note(f"step {step}: PSNR in the hole {psnr_db:.2f} dB{mark}")

    def log_images(self, name: str, step: int, grid: Uint8) -> None:
        """Log a (height, width, 3) picture."""
        self._writer.add_image(name, grid, step, dataformats="HWC")

    def note(self, text: str) -> None:
        """Log a line without breaking the progress bar."""
        with tqdm.external_write_mode(file=sys.stderr):
            logger.info("%s", text)

    def _write(self, step: int, values: dict[str, float]) -> None:
        with self._folder.scalars.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)


class MeanLosses:
    """Mean losses over steps, summed on the device so that no step waits for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, losses: dict[str, Tensor]) -> None:
        """Add the losses of a step."""
        self._sums = {name: self._sums.get(name, 0.0) + loss for name, loss in losses.items()}
        self._count += 1

    def take(self) -> dict[str, float]:
        """Return the means since the last call, and reset."""
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


def read_scalars(path: Path) -> list[dict[str, float]]:
    """Return the entries of scalars.jsonl; truncated lines are skipped."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def drop_after(path: Path, step: int) -> None:
    """Remove the scalars of steps after ``step`` from a log, if there is one."""
    if path.is_file():
        kept = [line for line in read_scalars(path) if line["step"] <= step]
        with atomic_write(path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))


_PANELS: Final = {  # key of the log to title
    "reconstruction": "L1 of both results",
    "consistency": "consistency loss",
    "adversarial": "adversarial loss of the generator",
    "discriminators": "loss of the discriminators",
    "validation_hole_psnr_db": "PSNR in the hole, validation (dB)",
}
_COLUMNS: Final = 2
_PANEL_INCHES: Final = (5.0, 3.0)
_DOTS_PER_INCH: Final = 100


def draw_curves(runs: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw the scalars of runs, by name, to a ``.png`` file, which is replaced."""
    from matplotlib.figure import Figure  # deferred: slow, and only ablations draw

    panels = {
        key: title
        for key, title in _PANELS.items()
        if any(key in line for lines in runs.values() for line in lines)
    }
    if not panels:
        raise ContractError(f"curves need a scalar of one of {', '.join(_PANELS)}; got none")
    rows = -(-len(panels) // _COLUMNS)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(_COLUMNS * width, rows * height), layout="constrained")
    for number, (key, title) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        for name, lines in runs.items():
            points = [(line["step"], line[key]) for line in lines if key in line]
            if points:
                axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
