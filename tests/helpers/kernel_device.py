"""Where the kernels run in a test: on a fake GPU, which is a CPU, or on a GPU.

A buffer lies between two guards. A write past its end is found when the device finishes.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from csakit.plugins.library import Library

from .simt_build import simt_library

Bytes = npt.NDArray[np.uint8]

GUARD: Final = 4096  # bytes on either side, of the value below
UNTOUCHED: Final = 0xA5
POISON: Final = 0xFF  # of fresh memory: NaN in every type, and -1
ALIGNMENT: Final = 256  # bytes; that of cudaMalloc


class Buffer(Protocol):
    """Device memory."""

    address: int

    def write(self, values: npt.NDArray[Any]) -> None:
        """Copy the bytes of an array to the buffer."""

    def read(self) -> Bytes:
        """Copy all bytes from the buffer."""


class Device(Protocol):
    """Memory, and the library that works on it."""

    library: Library

    def allocate(self, size: int) -> Buffer:
        """Return poisoned memory between guards, ``size`` bytes."""

    def capture(self, work: Callable[[int], None]) -> Callable[[], float]:
        """Record what is enqueued on the stream it is called with; return what repeats it.

        That returns the milliseconds it took on the device.
        """

    def finish(self) -> None:
        """Wait, and assert that no guard was touched and nothing else was found."""

    def close(self) -> None:
        """Free all memory."""


class SimtBuffer:
    """Memory of the process that the fake GPU takes for its own."""

    def __init__(self, size: int) -> None:
        self._memory = np.full(size + 2 * GUARD + ALIGNMENT, UNTOUCHED, dtype=np.uint8)
        self._begin = GUARD + -(self._memory.ctypes.data + GUARD) % ALIGNMENT
        self._inside = self._memory[self._begin : self._begin + size]
        self._inside[:] = POISON
        self.address: int = self._inside.ctypes.data

    def write(self, values: npt.NDArray[Any]) -> None:
        self._inside[:] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)

    def read(self) -> Bytes:
        return self._inside.copy()

    @property
    def is_guarded(self) -> bool:
        """Return whether the guards are as they were."""
        end = self._begin + self._inside.size
        outside = np.concatenate([self._memory[: self._begin], self._memory[end:]])
        return bool((outside == UNTOUCHED).all())


class SimtDevice:
    """The kernels on a CPU; ``watched`` finds races, stray accesses, missing barriers too."""

    def __init__(self, *, watched: bool = False) -> None:
        path = simt_library(watched=watched)
        self.library = Library(path)
        self._functions = ctypes.CDLL(str(path))
        self._functions.simt_first_report.restype = ctypes.c_char_p
        self._functions.simt_register.argtypes = [
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
        ]
        self._functions.simt_watch(int(watched))
        self._buffers: list[SimtBuffer] = []

    def allocate(self, size: int, device: int = 0) -> SimtBuffer:
        buffer = SimtBuffer(size)
        self._buffers.append(buffer)
        self._functions.simt_register(buffer.address, size, GUARD, device)
        return buffer

    def capture(self, work: Callable[[int], None]) -> Callable[[], float]:
        self._functions.simt_begin_capture()
        work(0)
        self._functions.simt_end_capture()

        def replay() -> float:
            start = time.perf_counter()
            self._functions.simt_replay()
            return (time.perf_counter() - start) * 1e3

        return replay

    def finish(self) -> None:
        assert self.reports() == []
        assert all(buffer.is_guarded for buffer in self._buffers)

    def reports(self) -> list[str]:
        """Return what the checks found, the first of each run; then forget it."""
        count = self._functions.simt_reports()
        first = self._functions.simt_first_report().decode()
        self._functions.simt_clear_reports()
        return [f"{count} reports, the first: {first}"] if count else []

    def drop_barrier(self, site: str) -> None:
        """Take one barrier away, by "file:line"; "" brings it back."""
        self._functions.simt_drop_barrier(site.encode())

    def fail_next_launch(self, error: int) -> None:
        """Simulate CUDA's refusal of the next kernel."""
        self._functions.simt_fail_next_launch(error)

    def refuse_overlap(self, refuse: bool) -> None:
        """Simulate CUDA's refusal to launch a kernel before the previous one has ended."""
        self._functions.simt_refuse_overlap(int(refuse))

    @property
    def capture_is_strict(self) -> bool:
        """Return whether captures forbid this thread all that they can, as CUDA has it at first."""
        return int(self._functions.simt_capture_mode()) == 0

    def close(self) -> None:
        """Forget all memory and what was found."""
        self._functions.simt_forget_memory()
        self._functions.simt_clear_reports()
        self.drop_barrier("")
        self.refuse_overlap(False)
        self._buffers.clear()
