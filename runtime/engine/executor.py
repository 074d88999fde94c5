"""What a session on a GPU needs of an engine: all that is TensorRT's own lies behind this.

Letters: B images, H W sides in pixels.
"""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ..contract import IMAGE, MASK, OUTPUT, Io
from ..device.device import Device, Stream


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of one call.

    Attributes:
        io: form of the tensors.
        batch: B.
        height: H.
        width: W.
    """

    io: Io
    batch: int
    height: int
    width: int

    def __str__(self) -> str:
        """Write it as people do, width first."""
        return f"B={self.batch}, {self.width} x {self.height} (width x height)"

    @property
    def dtype(self) -> type[np.generic]:
        """Type of all three tensors."""
        return np.float32 if self.io == "float" else np.uint8

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor by its name, inputs first."""
        return {IMAGE: self._of(3), MASK: self._of(1), OUTPUT: self._of(3)}

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Those of the inputs."""
        return {name: shape for name, shape in self.tensors.items() if name != OUTPUT}

    def bytes_of(self, name: str) -> int:
        """Give the size of a tensor."""
        return int(np.prod(self.tensors[name])) * np.dtype(self.dtype).itemsize

    def _of(self, channels: int) -> tuple[int, ...]:
        if self.io == "float":
            return self.batch, channels, self.height, self.width
        return self.batch, self.height, self.width, channels


class Executor(Protocol):
    """An engine made ready for one shape; used by one thread at a time."""

    def enqueue(self, stream: Stream) -> None:
        """Enqueue the engine on tensors that lie on the device; wait for nothing.

        Raises:
            EngineError: it was refused.
        """

    def close(self) -> None:
        """Free what it holds. Nothing of it may be in work. Calling twice is harmless."""


class Engine(Protocol):
    """A loaded engine. All calls are made with its device current."""

    @property
    def title(self) -> str:
        """What runs it, with version."""

    @property
    def captures_itself(self) -> bool:
        """Whether it uses CUDA graphs inside, so that nobody should capture it."""

    def executor(
        self, device: Device, stream: Stream, shape: Shape, addresses: Mapping[str, int]
    ) -> Executor:
        """Make the engine ready.

        Args:
            device: to allocate on.
            stream: that it will be enqueued on.
            shape: of every call.
            addresses: of each tensor's memory, by its name.

        Returns:
            What enqueues it.

        Raises:
            EngineError: it does not take the shape, or was refused.
            OutOfMemoryError: the device has too little memory.
        """

    def settle(self) -> None:
        """Keep what was learnt when an executor ran first; never raises."""

    def close(self) -> None:
        """Free the engine, after its executors. Calling twice is harmless."""
