"""The shapes that an engine accepts, and the shape of one call."""

import dataclasses
from typing import NamedTuple

import numpy as np

from ...plugins.errors import ContractError
from ..contract import IMAGE, MASK, OUTPUT, SIZE_MULTIPLE, IOFormat


class Span(NamedTuple):
    """The least, usual and largest value of one dimension; TensorRT tunes for the usual one."""

    least: int
    best: int
    most: int

    def __str__(self) -> str:
        """Return the text that the command line accepts."""
        return str(self.best) if len({*self}) == 1 else ":".join(map(str, self))

    def require_ascending(self, name: str) -> None:
        """Refuse early what TensorRT would refuse minutes later."""
        if not 1 <= self.least <= self.best <= self.most:
            raise ContractError(
                f"{name} must satisfy 1 <= min <= opt <= max; got {':'.join(map(str, self))}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeRange:
    """The shapes that an engine accepts: ranges of B and of the sides."""

    batch: Span  # B
    size: Span  # H and W, each by itself

    def __post_init__(self) -> None:
        self.batch.require_ascending("--batch")
        self.size.require_ascending("--size")

    def __str__(self) -> str:
        """Return the command-line options that request it."""
        return f"--batch {self.batch} --size {self.size}"

    @property
    def fixed_batch(self) -> int | None:
        """The one B; None if there are several."""
        return self.batch.least if self.batch.least == self.batch.most else None

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The one (H, W); None if there are several."""
        return (self.size.least,) * 2 if self.size.least == self.size.most else None

    def check(self, batch: int, sides: tuple[int, ...], *, name: str, rebuild: str) -> None:
        """Raise ContractError for a shape that the engine ``name`` was not built for."""
        least, _, most = self.size
        height, width = sides
        fits = least <= height <= most and least <= width <= most
        if fits and self.batch.least <= batch <= self.batch.most:
            return
        batches = " to ".join(map(str, dict.fromkeys((self.batch.least, self.batch.most))))
        allowed = [str(x) for x in range(least, most + 1) if x % SIZE_MULTIPLE == 0]
        raise ContractError(
            f"{name} takes batches of {batches} and sides of {' or '.join(allowed)} pixels; "
            f"got B={batch}, {width} x {height} (width x height)\n"
            f"Build it for more shapes, with other --batch or --size: {rebuild}"
        )


@dataclasses.dataclass(frozen=True)
class CallShape:
    """The shape of one call."""

    io: IOFormat  # form of the tensors
    batch: int  # B
    height: int  # H
    width: int  # W

    def __str__(self) -> str:
        """Return a text with the width first."""
        return f"B={self.batch}, {self.width} x {self.height} (width x height)"

    @property
    def dtype(self) -> type[np.generic]:
        """Type of all three tensors."""
        return np.float32 if self.io == "float" else np.uint8

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor by its name, inputs first."""
        return {IMAGE: self._of(3), MASK: self._of(1), OUTPUT: self._of(3)}

    def bytes_of(self, name: str) -> int:
        """Return the size of a tensor."""
        return int(np.prod(self.tensors[name])) * np.dtype(self.dtype).itemsize

    def _of(self, channels: int) -> tuple[int, ...]:
        if self.io == "float":
            return self.batch, channels, self.height, self.width
        return self.batch, self.height, self.width, channels
