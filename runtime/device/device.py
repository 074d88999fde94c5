"""One GPU: streams, events, memory and graphs, whichever binding reaches the driver.

Work in the primary context, which torch, TensorRT and ONNX Runtime share; ``current()`` pushes it
for a block, and the context that another library made current is restored. Nothing survives a fork.
"""

import gc
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ...plugins.errors import EngineError
from .binding import BLOCKING, NO_TIMING, Binding, Handle, HostBytes
from .fork_guard import ForkGuard


class Resource:
    """A resource of a device, freed once."""

    def __init__(self, device: "Device", handle: Handle, free: Callable[[Any], None]) -> None:
        self._device = device
        self._handle = handle
        self._free = free
        device._owned[id(self)] = self

    @property
    def handle(self) -> Handle:
        """The binding's handle; None once it is closed."""
        return self._handle

    def close(self) -> None:
        """Free it. Calling twice is harmless."""
        handle, self._handle = self._handle, None
        self._device._owned.pop(id(self), None)
        if handle is not None and self._device.usable:
            with self._device.current():
                self._free(handle)


class Stream(Resource):
    """A queue of work that the device runs in order."""

    @property
    def number(self) -> int:
        """The ``cudaStream_t``, as TensorRT and ONNX Runtime take it."""
        return self._device.binding.stream_handle(self._handle)

    def synchronize(self) -> None:
        """Wait until all enqueued work is done."""
        self._device.binding.synchronize(self._handle)

    def record(self, event: "Event") -> None:
        """Record an event at this point of the stream."""
        self._device.binding.record(event.handle, self._handle)

    def copy_in(self, target: "DeviceBuffer", source: HostBytes) -> None:
        """Enqueue a copy of page-locked bytes to the start of a buffer."""
        self._device.binding.copy_to_device(target.address, source, self._handle)

    def copy_out(self, target: HostBytes, source: "DeviceBuffer") -> None:
        """Enqueue a copy from the start of a buffer to page-locked bytes."""
        self._device.binding.copy_to_host(target, source.address, self._handle)

    def capture(self, work: Callable[[], None]) -> "Graph":
        """Record what ``work`` enqueues as a graph, without running it; ``work`` must not wait."""
        binding = self._device.binding
        collects = gc.isenabled()
        gc.disable()  # it may free device memory in this thread, which ends a capture
        try:
            binding.begin_capture(self._handle)
            try:
                work()
            except BaseException:
                binding.abandon_capture(self._handle)
                raise
        finally:
            if collects:
                gc.enable()
        return Graph(self._device, binding.end_capture(self._handle), binding.free_graph)


class Event(Resource):
    """A point in the work of a stream."""

    def wait(self) -> None:
        """Wait until the device has reached it."""
        self._device.binding.wait_event(self._handle)

    @property
    def done(self) -> bool:
        """Whether the device has reached it."""
        return self._device.binding.is_done(self._handle)

    def milliseconds_until(self, later: "Event") -> float:
        """Return the device time between two timing events."""
        return self._device.binding.elapsed_ms(self._handle, later.handle)


class DeviceBuffer(Resource):
    """Memory of the device, aligned to 256 bytes or more."""

    def __init__(self, device: "Device", size: int) -> None:
        super().__init__(device, device.binding.allocate(size), device.binding.free)
        self.size = size
        self.address = device.binding.address(self._handle)


class PinnedBuffer(Resource):
    """Page-locked memory of the host, ``bytes``, valid until it is closed."""

    def __init__(self, device: "Device", size: int) -> None:
        handle, self.bytes = device.binding.allocate_pinned(size)
        super().__init__(device, handle, device.binding.free_pinned)


class Graph(Resource):
    """A CUDA graph: recorded work."""

    def launch(self, stream: Stream) -> None:
        """Enqueue the graph."""
        self._device.binding.launch(self._handle, stream.handle)


class Device:
    """One GPU in this process; with ``spin``, waiting threads keep a core busy."""

    def __init__(self, binding: Binding, number: int = 0, *, spin: bool = True) -> None:
        count = binding.count()
        if not 0 <= number < count:
            known = f"0 to {count - 1}" if count else "none was found"
            raise EngineError(
                f"the number of a GPU must be one of this machine ({known}); got {number}\n"
                "`nvidia-smi` lists them; CUDA_VISIBLE_DEVICES hides some."
            )
        self.binding = binding
        self.number = number
        self.name = binding.name(number)
        self._spin = spin
        self._process = ForkGuard()
        self._current = _Current(self)
        self._context: Handle | None = binding.retain(number)
        self._owned: dict[int, Resource] = {}  # resources to free with the device, by id

    @property
    def usable(self) -> bool:
        """Whether it is open, in the process that opened it."""
        return self._context is not None and self._process.is_this

    def current(self) -> AbstractContextManager[None]:
        """Return a context manager that makes the device current in a thread; nesting is cheap."""
        return self._current

    def memory(self) -> tuple[int, int]:
        """Return free and total bytes."""
        return self.binding.memory()

    def stream(self) -> Stream:
        """Create a stream."""
        return Stream(self, self.binding.new_stream(), self.binding.free_stream)

    def event(self, *, timing: bool = False) -> Event:
        """Create an event; one for timing costs a little more."""
        flags = (0 if timing else NO_TIMING) | (0 if self._spin else BLOCKING)
        return Event(self, self.binding.new_event(flags), self.binding.free_event)

    def buffer(self, size: int) -> DeviceBuffer:
        """Allocate device memory, in bytes."""
        return DeviceBuffer(self, size)

    def pinned(self, size: int) -> PinnedBuffer:
        """Allocate page-locked memory of the host, in bytes."""
        return PinnedBuffer(self, size)

    def close(self) -> None:
        """Free all resources; idempotent. A forked process frees nothing, which is the parent's."""
        if not self.usable:
            return
        for resource in reversed(list(self._owned.values())):
            resource.close()
        self._context = None

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Current(threading.local):
    """Context manager that makes a device current; each thread counts its nested blocks."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._depth = 0

    def __enter__(self) -> None:
        if not self._depth:
            device = self._device
            device._process.require_this()
            if device._context is None:
                raise EngineError(f"GPU {device.number} is closed; open it again")
            device.binding.push(device._context)
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._device.binding.pop()
