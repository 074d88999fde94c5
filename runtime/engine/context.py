"""An execution context with its stream, its memory, and two sets of host buffers.

While the device works on one call, the host fills the buffers of the next. A call (copy in, engine,
copy out) is one CUDA graph, captured when the context is made, and therefore of one shape.
"""

import contextlib
import dataclasses
import functools
import logging
import threading
from typing import Any, Final

import numpy as np

from ...plugins.errors import EngineError
from ..contract import IMAGE, MASK, OUTPUT
from ..device.binding import HostBytes
from ..device.device import Device, DeviceBuffer, Event, Graph, PinnedBuffer, Stream
from ..tensors.conversion import Array
from .shapes import CallShape
from .trt_engine import TensorRtEngine

BUFFERS: Final = 2  # calls that one context holds; a third could only wait for the first
ALIGNMENT: Final = 256  # bytes; TensorRT requires it of tensors, and CUDA's allocations have it

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class CudaGraphPolicy:
    """Whether calls of an engine are captured; shared by its contexts, so it warns once."""

    engine: str  # its name, for the log
    wanted: bool

    def refuse(self, reason: EngineError) -> None:
        """Stop capturing, and log why."""
        if self.wanted:
            self.wanted = False
            text = "%s runs without a CUDA graph, which costs a few launches a call: %s"
            logger.warning(text, self.engine, reason)


class StagingBuffers:
    """Page-locked buffers of one call; ``taken`` is guarded by the pool's lock."""

    def __init__(self, context: "ExecutionContext", device: Device) -> None:
        def view(memory: HostBytes, name: str) -> Array:
            return memory.view(shape.dtype).reshape(shape.tensors[name])

        self.context = context
        shape, keep = context.shape, context.keep
        mask_at = _mask_offset(shape)
        self.inputs: PinnedBuffer = keep(device.pinned(mask_at + shape.bytes_of(MASK)))
        self.output: PinnedBuffer = keep(device.pinned(shape.bytes_of(OUTPUT)))
        self.image = view(self.inputs.bytes[: shape.bytes_of(IMAGE)], IMAGE)
        self.mask = view(self.inputs.bytes[mask_at:], MASK)
        self.result = view(self.output.bytes, OUTPUT)
        self.done: Event = keep(device.event())
        self.graph: Graph | None = None
        self.taken = False


def _mask_offset(shape: CallShape) -> int:
    """Return where the mask begins in the memory that it shares with the image."""
    return -(-shape.bytes_of(IMAGE) // ALIGNMENT) * ALIGNMENT


class ExecutionContext:
    """See the module. Raises OutOfMemoryError and keeps nothing if the device is full."""

    def __init__(
        self, device: Device, engine: TensorRtEngine, shape: CallShape, graphs: CudaGraphPolicy
    ) -> None:
        self.shape = shape
        self._lock = threading.Lock()  # executors and captures are for one thread at a time
        self._closing = contextlib.ExitStack()
        self._stream: Stream = self.keep(device.stream())
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            mask_at = _mask_offset(shape)
            input_bytes = mask_at + shape.bytes_of(MASK)
            self._inputs: DeviceBuffer = self.keep(device.buffer(input_bytes))
            self._output: DeviceBuffer = self.keep(device.buffer(shape.bytes_of(OUTPUT)))
            self.staging = [StagingBuffers(self, device) for _ in range(BUFFERS)]
            begin = self._inputs.address
            addresses = {IMAGE: begin, MASK: begin + mask_at, OUTPUT: self._output.address}
            self._executor = self.keep(engine.executor(device, self._stream, shape, addresses))
            self._warm_up(graphs)
            undo.pop_all()

    @property
    def idle(self) -> bool:
        """Whether no call holds buffers; stays so while the caller has the pool's lock."""
        return not any(buffers.taken for buffers in self.staging)

    def start(self, buffers: StagingBuffers, image: Array, mask: Array) -> None:
        """Enqueue a call with buffers that the caller holds."""
        np.copyto(buffers.image, image)
        np.copyto(buffers.mask, mask)
        with self._lock:
            if buffers.graph is not None:
                buffers.graph.launch(self._stream)
            else:
                self._enqueue(buffers)
            self._stream.record(buffers.done)

    def keep(self, resource: Any) -> Any:  # noqa: ANN401
        """Close a resource with the context, the last one first; return it."""
        self._closing.callback(resource.close)
        return resource

    def close(self) -> None:
        """Wait for pending work, and free everything. Calling twice is harmless."""
        with contextlib.suppress(EngineError):  # a lost context: there is nothing to wait for
            self._stream.synchronize()
        self._closing.close()

    def _enqueue(self, buffers: StagingBuffers) -> None:
        self._stream.copy_in(self._inputs, buffers.inputs.bytes)
        self._executor.enqueue(self._stream)
        self._stream.copy_out(buffers.output.bytes, self._output)

    def _warm_up(self, graphs: CudaGraphPolicy) -> None:
        """Run once, because the first run loads code and allocates; then capture."""
        first = self.staging[0]
        first.image[...], first.mask[...] = 0, 0
        first.mask[: max(1, len(first.mask) // 2)] = 1
        self._enqueue(first)
        self._stream.synchronize()
        for buffers in self.staging:
            if graphs.wanted:
                try:
                    enqueue = functools.partial(self._enqueue, buffers)
                    buffers.graph = self.keep(self._stream.capture(enqueue))
                except EngineError as error:
                    graphs.refuse(error)
