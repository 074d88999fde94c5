"""The folder of a run: its files, and which states are kept.

config.toml           the effective configuration
model.safetensors     the newest network, as `csakit export` takes it
best.safetensors      the one with the highest PSNR in the hole on the validation images
states/step-*         states to resume from, the newest few
scalars.jsonl         losses, speed and validations, one JSON object a line
samples.png           pictures of the newest validation
tensorboard/          the same scalars, and grids of pictures
not-finite-step-*     the batch of a step whose loss was not finite
"""

import re
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError

_STATE: Final = re.compile(r"step-(\d{9})\.safetensors")


class RunFolder:
    """Paths within the folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.model = path / "model.safetensors"
        self.best = path / "best.safetensors"
        self.scalars = path / "scalars.jsonl"
        self.samples = path / "samples.png"
        self.tensorboard = path / "tensorboard"

    def state(self, step: int) -> Path:
        """Return the path of the state after ``step`` steps."""
        return self.path / "states" / f"step-{step:09d}.safetensors"

    def bad_batch(self, step: int, rank: int) -> Path:
        """Return the path of a batch whose loss was not finite in process ``rank``."""
        return self.path / f"not-finite-step-{step}-process-{rank}.npz"

    def states(self) -> list[Path]:
        """Return the states, oldest first."""
        return sorted(p for p in self.path.glob("states/*") if _STATE.fullmatch(p.name))

    def newest_state(self) -> Path | None:
        """Return the state to resume from; None if none has been saved yet."""
        return max(self.states(), default=None)

    def remove_old_states(self, keep: int) -> None:
        """Remove all but the ``keep`` newest states."""
        for path in self.states()[:-keep]:
            path.unlink(missing_ok=True)

    def require_new(self) -> None:
        """Check that the folder is new or empty."""
        if self.path.is_dir() and any(self.path.iterdir()):
            raise ContractError(
                f"a new run needs a new or empty folder; {self.path} has files\n"
                f"Go on with its run by --resume {self.path}, or choose another folder."
            )

    def create(self) -> None:
        """Create the folder of a new run."""
        try:
            (self.path / "states").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ContractError(
                f"cannot write the run {self.path}: {error.strerror}\n"
                "Choose a folder with write permission."
            ) from error
