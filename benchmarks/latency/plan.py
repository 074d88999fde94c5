"""The plan of a run: a frozen object, validated when it is created."""

import dataclasses
import math
import os
import re
from typing import Final

from ...export.config import MAX_SIZE
from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ...runtime.host import core_processors, physical_cores
from .backends import USUAL, chosen

CENTRE: Final = "center"
HOLES: Final = (CENTRE, "0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6")
_MOST_MISSING: Final = 0.9  # strokes that cover more leave too little to copy from


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a latency run."""

    backends: tuple[str, ...] = USUAL  # names; the baseline is always added
    sizes: tuple[int, ...] = (256,)  # sides in pixels, multiples of 256
    batches: tuple[int, ...] = (1,)  # images per call
    holes: tuple[str, ...] = HOLES  # "center", the published hole; or shares, 0 to 0.9, of strokes
    threads: int | None = None  # and processors of each backend; None is one per physical core
    rounds: int = 10  # in each, every backend runs every case
    calls: int = 3  # timed calls per round
    lead: int = 1  # untimed calls before them, which fill caches and wake threads
    warmup_calls: int = 3  # of every backend on every case before the first round, at least
    warmup_seconds: float = 1.0  # of the same, at least
    cold_starts: int = 3  # fresh processes of every backend

    def __post_init__(self) -> None:
        """Refuse values that would fail after minutes."""
        chosen(self.backends)
        for size in self.sizes:
            if size % SIZE_MULTIPLE or not SIZE_MULTIPLE <= size <= MAX_SIZE:
                raise ContractError(
                    f"a size must be a multiple of {SIZE_MULTIPLE} up to {MAX_SIZE}; got {size}"
                )
        for name in ("rounds", "calls"):
            _at_least(1, name, getattr(self, name))
        for name in ("lead", "warmup_calls", "warmup_seconds", "cold_starts"):
            _at_least(0, name, getattr(self, name))
        for batch in self.batches:
            _at_least(1, "a batch", batch)
        for holes in self.holes:
            number = re.fullmatch(r"\d+(\.\d+)?", holes)
            if holes != CENTRE and not (number and float(holes) <= _MOST_MISSING):
                raise ContractError(
                    f"a hole ratio must be {CENTRE!r} or in 0..{_MOST_MISSING}; got {holes!r}"
                )
        if not (self.sizes and self.batches and self.holes):
            raise ContractError("sizes, batches and hole ratios must each name at least one")
        most = len(core_processors())
        if self.threads is not None and not 1 <= self.threads <= most:
            raise ContractError(
                f"threads must be 1..{most}, the processors that this process may use; "
                f"got {self.threads}"
            )

    @property
    def used_threads(self) -> int:
        """The number of threads of each backend."""
        return self.threads or physical_cores()

    def processors(self) -> list[int] | None:
        """Return the processors that backends are pinned to; None where none can be."""
        if not hasattr(os, "sched_setaffinity"):
            return None
        return core_processors()[: self.used_threads]


def _at_least(least: int, name: str, value: float) -> None:
    if not value >= least or math.isinf(value):
        raise ContractError(f"{name} must be at least {least}; got {value}")


# For continuous integration: everything runs once and is compared; the times mean little.
QUICK: Final = Plan(
    backends=("torch", "ort", "ort-target"),
    holes=(CENTRE, "0.4"),
    rounds=2,
    calls=1,
    lead=0,
    warmup_calls=1,
    warmup_seconds=0.0,
    cold_starts=1,
)
