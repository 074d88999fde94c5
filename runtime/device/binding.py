"""The protocol of CUDA bindings, and their errors.

Only ``stream_handle`` and ``address`` turn handles into numbers. Every call but ``count``, ``name``
and ``retain`` needs a current context.
"""

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ...plugins.errors import EngineError

Handle = Any
HostBytes = npt.NDArray[np.uint8]  # (N,), memory of the host

OUT_OF_MEMORY: Final = "CUDA_ERROR_OUT_OF_MEMORY"
# A capture records only this thread's work; other threads may allocate meanwhile.
CAPTURE_THREAD_LOCAL: Final = 1
NON_BLOCKING: Final = 1  # a stream that does not wait for the default one
BLOCKING: Final = 1  # threads that wait for the event sleep
NO_TIMING: Final = 2  # an event for ordering only

# After these errors, every further call of this process on the GPU fails.
LOST: Final = frozenset(
    f"CUDA_ERROR_{name}"
    for name in (
        *("ILLEGAL_ADDRESS", "ILLEGAL_INSTRUCTION", "MISALIGNED_ADDRESS", "INVALID_PC"),
        *("INVALID_ADDRESS_SPACE", "LAUNCH_FAILED", "LAUNCH_TIMEOUT", "ASSERT"),
        *("HARDWARE_STACK_ERROR", "ECC_UNCORRECTABLE", "UNKNOWN"),
    )
)


class CudaError(EngineError):
    """A call of the CUDA driver failed; holds the error's name and the driver's text."""

    def __init__(self, call: str, name: str, text: str, message: str | None = None) -> None:
        self.call = call
        self.name = name
        self.text = text
        lost = "\nThe GPU is lost to this process: start it again." if name in LOST else ""
        super().__init__(message or f"{call} failed with {name}: {text}{lost}")


class OutOfMemoryError(CudaError):
    """The device, or the page-locked memory of the host, is used up."""


def cuda_error(call: str, name: str, text: str) -> CudaError:
    """Return the exception for a failed call of the driver."""
    kind = OutOfMemoryError if name == OUT_OF_MEMORY else CudaError
    return kind(call, name, text)


class Binding(Protocol):
    """The driver's calls. All raise ``CudaError``."""

    title: str  # name and version

    def count(self) -> int:
        """Count the GPUs."""

    def name(self, number: int) -> str:
        """Return the name of a GPU."""

    def retain(self, number: int) -> Handle:
        """Retain the primary context of a GPU: the one that all libraries share.

        It is never released, as in torch: TensorRT's objects, which a traceback can keep alive,
        crash without it, and the next session would have to create it again.
        """

    def push(self, context: Handle) -> None:
        """Set the current context of this thread; ``pop`` restores the previous one."""

    def pop(self) -> None:
        """Undo the last ``push`` of this thread."""

    def memory(self) -> tuple[int, int]:
        """Return free and total bytes of the device."""

    def new_stream(self) -> Handle:
        """Create a stream that does not wait for the default one."""

    def stream_handle(self, stream: Handle) -> int:
        """Return the ``cudaStream_t`` as a number."""

    def synchronize(self, stream: Handle) -> None:
        """Wait until all that was enqueued on a stream is done."""

    def free_stream(self, stream: Handle) -> None:
        """Destroy it."""

    def new_event(self, flags: int) -> Handle:
        """Create an event with the flags BLOCKING and NO_TIMING, or one of them."""

    def record(self, event: Handle, stream: Handle) -> None:
        """Record an event at this point of a stream."""

    def wait_event(self, event: Handle) -> None:
        """Wait until a recorded event is reached."""

    def is_done(self, event: Handle) -> bool:
        """Report whether it is done, without waiting."""

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        """Return the milliseconds between two recorded events."""

    def free_event(self, event: Handle) -> None:
        """Destroy it."""

    def allocate(self, size: int) -> Handle:
        """Allocate device memory, in bytes."""

    def address(self, memory: Handle) -> int:
        """Return its address."""

    def free(self, memory: Handle) -> None:
        """Free it."""

    def allocate_pinned(self, size: int) -> tuple[Handle, HostBytes]:
        """Allocate page-locked memory of the host; return it as bytes too."""

    def free_pinned(self, memory: Handle) -> None:
        """Free it."""

    def copy_to_device(self, address: int, source: HostBytes, stream: Handle) -> None:
        """Enqueue a copy of page-locked bytes to the device."""

    def copy_to_host(self, target: HostBytes, address: int, stream: Handle) -> None:
        """Enqueue a copy from the device to page-locked bytes."""

    def begin_capture(self, stream: Handle) -> None:
        """Begin to record what this thread enqueues on a stream, instead of running it."""

    def end_capture(self, stream: Handle) -> Handle:
        """End recording; return the graph, ready to launch."""

    def abandon_capture(self, stream: Handle) -> None:
        """End recording and discard it; never raises."""

    def launch(self, graph: Handle, stream: Handle) -> None:
        """Enqueue a graph."""

    def free_graph(self, graph: Handle) -> None:
        """Destroy it."""
