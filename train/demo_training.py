"""Train the small demo model: L1 only, on scikit-image's photographs and drawn images.

Not the paper's recipe. It exists so that the demo has weights that were trained by this
project and can be trained again by anyone: ``python -m csakit.train.demo_training -o
demo.safetensors --minutes 60``. ``chelsea`` and ``coffee`` are never trained on.

The drawn images are shapes of many sizes that cover each other ("dead leaves", which have
the edges and the spectrum of natural images), in colours taken from the photographs.

Letters: B images, H W sides in pixels.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..plugins.errors import ContractError, ExitCode
from ..runtime.command import run_command
from ..runtime.contract import SIZE_MULTIPLE
from . import checkpoint
from .config import ModelConfig
from .inpainter import CSAInpainter, Stages
from .masks import freeform_hole

HELD_OUT: Final = ("chelsea", "coffee")
PHOTOGRAPHS: Final = ("astronaut", "brick", "camera", "coins", "grass", "gravel", "rocket")
_DRAWN_SHARE: Final = 0.5  # of the training images
_KNOWN_WEIGHT: Final = 0.1  # of the error outside the hole, where the result is pasted over
_SCALES: Final = (0.5, 1.5)  # photographs are resized by a random factor before cropping
_REPORT_STEPS: Final = 200
_SAVE_STEPS: Final = 1000

Picture = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoTraining:
    """How the demo model is trained.

    Attributes:
        width: of the network; 16 has 8.3 million parameters.
        minutes: of training; the learning rate falls linearly to 0 over them.
        batch: B.
        learning_rate: of Adam, at the start.
        seed: of all randomness.
    """

    width: int = 16
    minutes: float = 60.0
    batch: int = 2
    learning_rate: float = 5e-4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        positive = {name: getattr(self, name) for name in ("minutes", "batch", "learning_rate")}
        for name, value in positive.items():
            if not 0 < value < math.inf:  # false for NaN as well
                raise ContractError(f"{name} must be positive and finite; got {value}")
        if self.seed < 0:
            raise ContractError(f"seed must not be negative; got {self.seed}")


def train(config: DemoTraining, output: Path, start: Path | None = None) -> None:
    """Train and write a checkpoint in float16, from time to time and at the end.

    Args:
        config: how.
        output: ends in ``.safetensors``.
        start: a checkpoint to go on from, of the same width; None starts at random.

    Raises:
        ContractError: the output cannot be written, or the start cannot be read.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    photographs = _photographs()
    model = _begin(config, start).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.5, 0.999))
    earlier = checkpoint.read_header(start)["training"] if start else None
    summary = _summary(config, earlier)
    _save(model, output, summary, 0, 0.0)  # a bad output is refused now, not in an hour
    started, step, mean_loss = time.monotonic(), 0, 0.0
    while (spent := (time.monotonic() - started) / 60 / config.minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1 - spent)
        image, hole = _batch(photographs, config.batch, rng)
        with torch.autocast("cpu", torch.bfloat16):
            stages = model.stages(image, hole)
        loss = _loss(stages, image, hole)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        mean_loss += (loss.item() - mean_loss) / min(step, _REPORT_STEPS)
        if step % _REPORT_STEPS == 0:
            print(f"step {step}, {100 * spent:.0f} % of the time, loss {mean_loss:.4f}", flush=True)
        if step % _SAVE_STEPS == 0:
            _save(model, output, summary, step, mean_loss)
    _save(model, output, summary, step, mean_loss)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the demo model; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m csakit.train.demo_training")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL.safetensors")
    parser.add_argument("--start", type=Path, metavar="MODEL.safetensors", help="go on from it")
    for field in dataclasses.fields(DemoTraining):
        flag = f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, type=type(field.default), default=field.default)

    def work(args: argparse.Namespace) -> int:
        names = [field.name for field in dataclasses.fields(DemoTraining)]
        config = DemoTraining(**{name: getattr(args, name) for name in names})
        train(config, args.output, args.start)
        return ExitCode.OK

    return run_command(parser, work, arguments)


def _begin(config: DemoTraining, start: Path | None) -> CSAInpainter:
    if start is None:
        return CSAInpainter(ModelConfig(width=config.width))
    model = checkpoint.load(start)
    if model.config != ModelConfig(width=config.width):
        raise ContractError(f"{start} must have width {config.width}, CSA, cosine similarity")
    return model.requires_grad_(True)


def _photographs() -> list[Picture]:
    import skimage.data  # deferred: slow, and only needed here

    pictures = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
    pictures += skimage.data.stereo_motorcycle()[:2]  # type: ignore[no-untyped-call]
    return [np.asarray(Image.fromarray(picture).convert("RGB")) for picture in pictures]


def _batch(
    photographs: list[Picture], batch: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw (B, 3, 256, 256) images in [-1, 1] and (B, 1, 256, 256) holes."""
    images = np.stack([_piece(photographs, rng) for _ in range(batch)])
    holes = np.stack([freeform_hole(SIZE_MULTIPLE, SIZE_MULTIPLE, rng) for _ in range(batch)])
    image = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return image.contiguous(), torch.from_numpy(holes)[:, None].float()


def _piece(photographs: list[Picture], rng: np.random.Generator) -> Picture:
    """Draw one (256, 256, 3) training image."""
    photograph = photographs[rng.integers(len(photographs))]
    drawn = rng.random() < _DRAWN_SHARE
    return _tinted(_leaves(photograph, rng) if drawn else _crop(photograph, rng), rng)


def _tinted(piece: Picture, rng: np.random.Generator) -> Picture:
    """Draw an image towards one colour, so that the surroundings tell the hue of a hole."""
    own, gain, shift = rng.random(), rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    grey = piece.mean(axis=2, keepdims=True) * rng.uniform(0.6, 1.4, 3)
    tinted = (own * piece + (1 - own) * grey) * gain + shift
    return np.asarray(np.clip(tinted, 0, 255), dtype=np.uint8)


def _leaves(photograph: Picture, rng: np.random.Generator) -> Picture:
    """Draw shapes that cover each other, (256, 256, 3), in colours of a photograph."""
    side = 2 * SIZE_MULTIPLE  # drawn at twice the size, because Pillow's edges are jagged
    palette = photograph.reshape(-1, 3)
    canvas = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(30, 150))):
        radius = 0.6 * side * rng.random() ** 3 + 8  # pixels; many small ones, few large ones
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        colour = tuple(int(v) for v in palette[rng.integers(len(palette))])
        x, y = rng.uniform(0, side, 2)
        if rng.random() < 0.5:
            flat = rng.uniform(0.3, 1.0) * radius
            pen.ellipse((x - radius, y - flat, x + radius, y + flat), fill=colour)
        else:
            corners = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)
            pen.polygon([tuple(corner) for corner in corners], fill=colour)
    smooth = canvas.resize((SIZE_MULTIPLE, SIZE_MULTIPLE), Image.Resampling.BOX)
    light = np.linspace(rng.uniform(-30, 30), rng.uniform(-30, 30), SIZE_MULTIPLE)
    grain = rng.normal(0, rng.uniform(0, 6), (SIZE_MULTIPLE, SIZE_MULTIPLE, 1))
    shaded = np.asarray(smooth) + light[:, None, None] + grain
    return np.clip(shaded, 0, 255).astype(np.uint8)


def _crop(photograph: Picture, rng: np.random.Generator) -> Picture:
    """Cut a random (256, 256, 3) piece at a random scale, turned at random."""
    picture = Image.fromarray(photograph)
    scale = max(rng.uniform(*_SCALES), (SIZE_MULTIPLE + 1) / min(picture.size))
    picture = picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
    )
    left = int(rng.integers(picture.width - SIZE_MULTIPLE + 1))
    top = int(rng.integers(picture.height - SIZE_MULTIPLE + 1))
    box = (left, top, left + SIZE_MULTIPLE, top + SIZE_MULTIPLE)
    turned = np.rot90(np.asarray(picture.crop(box)), k=int(rng.integers(4)))
    piece: Picture = turned[:, :: rng.choice((-1, 1))]
    return piece


def _loss(stages: Stages, image: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute error of both networks, in the hole above all."""
    weight = hole / hole.mean() + _KNOWN_WEIGHT
    error = (stages.rough - image).abs() + (stages.refined - image).abs()
    return (error * weight).mean()


def _summary(config: DemoTraining, earlier: dict[str, Any] | None) -> dict[str, Any]:
    summary = {
        "recipe": "csakit.train.demo_training: L1 only",
        "photographs": [*PHOTOGRAPHS, "stereo_motorcycle"],
        "drawn_share": _DRAWN_SHARE,
        **dataclasses.asdict(config),
    }
    return summary if earlier is None else {**summary, "earlier": earlier}


def _save(
    model: CSAInpainter, output: Path, summary: dict[str, Any], step: int, mean_loss: float
) -> None:
    reached = {"steps": step, "final_loss": round(mean_loss, 4) if step else None}
    checkpoint.save(model, output, dtype=torch.float16, training={**summary, **reached})


if __name__ == "__main__":
    raise SystemExit(main())
