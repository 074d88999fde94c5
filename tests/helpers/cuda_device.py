"""A real GPU for the tests of the kernels, through NVIDIA's driver and nothing else."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from csakit.plugins.library import Library

from .kernel_device import GUARD, POISON, UNTOUCHED, Bytes
from .native import for_this_gpu


@functools.cache
def driver() -> ctypes.CDLL:
    """Open the driver and make the first GPU's primary context current, as the runtime does."""
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(), ctypes.c_void_p()
    assert cuda.cuInit(0) == 0
    assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
    assert cuda.cuCtxSetCurrent(context) == 0
    return cuda


@functools.cache
def native_library() -> Library:
    """Open the library for the GPU of this machine."""
    return Library(for_this_gpu("csakit"))


def _call(name: str, *arguments: Any) -> None:  # noqa: ANN401  ctypes takes anything
    status = getattr(driver(), name)(*arguments)
    assert status == 0, f"{name}: CUDA error {status}"


class CudaBuffer:
    """Device memory between guards; without guards it is unwritten, for compute-sanitizer."""

    def __init__(self, size: int, guard: int = GUARD) -> None:
        self._size, self._guard = size, guard
        self._begin = ctypes.c_uint64()
        whole = ctypes.c_size_t(size + 2 * guard)
        _call("cuMemAlloc_v2", ctypes.byref(self._begin), whole)
        self.address: int = self._begin.value + guard
        if guard:
            _call("cuMemsetD8_v2", self._begin, ctypes.c_ubyte(UNTOUCHED), whole)
            _call("cuMemsetD8_v2", self._inside, ctypes.c_ubyte(POISON), ctypes.c_size_t(size))

    @property
    def _inside(self) -> ctypes.c_uint64:
        return ctypes.c_uint64(self.address)

    def write(self, values: npt.NDArray[Any]) -> None:
        data = np.ascontiguousarray(values)
        assert data.nbytes == self._size
        pointer, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(data.nbytes)
        _call("cuMemcpyHtoD_v2", self._inside, pointer, size)
        # It may return before the last bytes arrive, and a graph's stream waits for none.
        _call("cuCtxSynchronize")

    def read(self) -> Bytes:
        return self._copy()[self._guard : self._guard + self._size]

    @property
    def is_guarded(self) -> bool:
        """Return whether the guards are as they were."""
        whole = self._copy()
        outside = np.concatenate([whole[: self._guard], whole[self._guard + self._size :]])
        return bool((outside == UNTOUCHED).all())

    def free(self) -> None:
        """Free the memory."""
        _call("cuMemFree_v2", self._begin)

    def _copy(self) -> Bytes:
        whole = np.empty(self._size + 2 * self._guard, dtype=np.uint8)
        size = ctypes.c_size_t(whole.nbytes)
        _call("cuMemcpyDtoH_v2", ctypes.c_void_p(whole.ctypes.data), self._begin, size)
        return whole


class CudaDevice:
    """The kernels on a GPU, from a library that is built for it if none is given."""

    def __init__(self, library: Library | None = None, *, guard: int = GUARD) -> None:
        driver()
        self.library = library or native_library()
        self._guard = guard
        self._buffers: list[CudaBuffer] = []

    def allocate(self, size: int) -> CudaBuffer:
        self._buffers.append(CudaBuffer(size, self._guard))
        return self._buffers[-1]

    def capture(self, work: Callable[[int], None]) -> Callable[[], float]:
        stream, graph, program = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        events = begin, end = ctypes.c_void_p(), ctypes.c_void_p()
        _call("cuStreamCreate", ctypes.byref(stream), ctypes.c_uint(1))  # non-blocking
        _call("cuStreamBeginCapture_v2", stream, ctypes.c_int(0))  # global, the strictest mode
        work(stream.value or 0)
        _call("cuStreamEndCapture", stream, ctypes.byref(graph))
        flags = ctypes.c_ulonglong(0)
        _call("cuGraphInstantiateWithFlags", ctypes.byref(program), graph, flags)

        for event in events:
            _call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))

        def replay() -> float:
            ms = ctypes.c_float()
            _call("cuEventRecord", begin, stream)
            _call("cuGraphLaunch", program, stream)
            _call("cuEventRecord", end, stream)
            _call("cuStreamSynchronize", stream)
            _call("cuEventElapsedTime", ctypes.byref(ms), begin, end)
            return ms.value

        return replay

    def finish(self) -> None:
        _call("cuCtxSynchronize")
        assert not self._guard or all(buffer.is_guarded for buffer in self._buffers)

    def close(self) -> None:
        """Free all memory."""
        _call("cuCtxSynchronize")
        for buffer in self._buffers:
            buffer.free()
        self._buffers.clear()
