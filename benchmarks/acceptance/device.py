"""Memory of a GPU through NVIDIA's driver and nothing else: what a sanitizer slows down least."""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...plugins.errors import LibraryError
from ...plugins.library import Library, load

Bytes = npt.NDArray[np.uint8]


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
        """Give ``size`` bytes that nobody has written to."""

    def finish(self) -> None:
        """Wait until all work is done."""


class DriverBuffer:
    """Device memory; every byte counts, so none is added.

    Args:
        driver: the opened driver, with a current context.
        size: in bytes, at least one.
    """

    def __init__(self, driver: ctypes.CDLL, size: int) -> None:
        self._driver, self._size = driver, size
        self._begin = ctypes.c_uint64()
        _call(driver, "cuMemAlloc_v2", ctypes.byref(self._begin), ctypes.c_size_t(size))
        self.address: int = self._begin.value

    def write(self, values: npt.NDArray[Any]) -> None:
        """Copy the bytes of an array of the buffer's size to the buffer."""
        data = np.ascontiguousarray(values)
        pointer, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(self._size)
        assert data.nbytes == self._size
        _call(self._driver, "cuMemcpyHtoD_v2", self._begin, pointer, size)

    def read(self) -> Bytes:
        """Copy all bytes from the buffer."""
        data = np.empty(self._size, dtype=np.uint8)
        pointer, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(self._size)
        _call(self._driver, "cuMemcpyDtoH_v2", pointer, self._begin, size)
        return data

    def free(self) -> None:
        """Give the memory back."""
        _call(self._driver, "cuMemFree_v2", self._begin)


class DriverDevice:
    """The first GPU, and libcsakit on it."""

    def __init__(self) -> None:
        self.library = load()
        self._driver = _open()
        self._buffers: list[DriverBuffer] = []

    def allocate(self, size: int) -> DriverBuffer:
        """Give ``size`` bytes that nobody has written to."""
        self._buffers.append(DriverBuffer(self._driver, size))
        return self._buffers[-1]

    def finish(self) -> None:
        """Wait until all work is done."""
        _call(self._driver, "cuCtxSynchronize")

    def close(self) -> None:
        """Free all memory; calling twice is harmless."""
        for buffer in self._buffers:
            buffer.free()
        self._buffers.clear()


@contextlib.contextmanager
def first_gpu() -> Iterator[DriverDevice]:
    """Lend the first GPU of the machine.

    Yields:
        The device.

    Raises:
        LibraryError: there is no driver or no GPU, or libcsakit is not built for it.
    """
    device = DriverDevice()
    try:
        yield device
    finally:
        device.close()


def _open() -> ctypes.CDLL:
    """Open the driver and make the GPU's primary context current, as the runtime does."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise LibraryError(f"NVIDIA's driver is missing: {error}\nInstall it.") from error
    device, context = ctypes.c_int(), ctypes.c_void_p()
    _call(driver, "cuInit", 0)
    _call(driver, "cuDeviceGet", ctypes.byref(device), 0)
    _call(driver, "cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    _call(driver, "cuCtxSetCurrent", context)
    return driver


def _call(driver: ctypes.CDLL, name: str, *arguments: Any) -> None:  # noqa: ANN401
    status = getattr(driver, name)(*arguments)
    if status != 0:
        raise LibraryError(f"{name} failed with CUDA error {status}")
