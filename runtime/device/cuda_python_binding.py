"""The CUDA driver through NVIDIA's ``cuda-python`` (``cuda.bindings``), which wheels bring."""

import ctypes
from typing import Any, Final

import numpy as np

from ...plugins.errors import LibraryError
from ...plugins.versions import installed
from .binding import CAPTURE_THREAD_LOCAL, NON_BLOCKING, CudaError, Handle, HostBytes, cuda_error

_contexts: Final[dict[int, Any]] = {}  # by number of the GPU; see Binding.retain


class CudaPythonBinding:
    """See ``Binding``; LibraryError without cuda-python or a driver."""

    def __init__(self) -> None:
        self._driver = _library()
        version = installed("cuda-python") or installed("cuda-bindings") or "of unknown version"
        self.title = f"cuda-python {version}"
        try:
            self._call("cuInit", 0)
        except CudaError:
            raise
        except RuntimeError as error:  # its classes for a missing library changed with versions
            raise LibraryError(
                f"cuda-python finds no NVIDIA driver: {error}\n"
                "Install NVIDIA's driver for the GPU; `csakit doctor` says more."
            ) from error

    def count(self) -> int:
        return int(self._call("cuDeviceGetCount"))

    def name(self, number: int) -> str:
        raw: bytes = self._call("cuDeviceGetName", 256, self._call("cuDeviceGet", number))
        return raw.partition(b"\0")[0].decode(errors="replace")

    def retain(self, number: int) -> Handle:
        if number not in _contexts:
            device = self._call("cuDeviceGet", number)
            _contexts[number] = self._call("cuDevicePrimaryCtxRetain", device)
        return _contexts[number]

    def push(self, context: Handle) -> None:
        self._call("cuCtxPushCurrent", context)

    def pop(self) -> None:
        self._call("cuCtxPopCurrent")

    def memory(self) -> tuple[int, int]:
        free, total = self._call("cuMemGetInfo")
        return int(free), int(total)

    def new_stream(self) -> Handle:
        return self._call("cuStreamCreate", NON_BLOCKING)

    def stream_handle(self, stream: Handle) -> int:
        return int(stream)

    def synchronize(self, stream: Handle) -> None:
        self._call("cuStreamSynchronize", stream)

    def free_stream(self, stream: Handle) -> None:
        self._call("cuStreamDestroy", stream)

    def new_event(self, flags: int) -> Handle:
        return self._call("cuEventCreate", flags)

    def record(self, event: Handle, stream: Handle) -> None:
        self._call("cuEventRecord", event, stream)

    def wait_event(self, event: Handle) -> None:
        self._call("cuEventSynchronize", event)

    def is_done(self, event: Handle) -> bool:
        (status,) = self._driver.cuEventQuery(event)
        if status == self._driver.CUresult.CUDA_ERROR_NOT_READY:
            return False
        self._check("cuEventQuery", status)
        return True

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        return float(self._call("cuEventElapsedTime", start, end))

    def free_event(self, event: Handle) -> None:
        self._call("cuEventDestroy", event)

    def allocate(self, size: int) -> Handle:
        return self._call("cuMemAlloc", size)

    def address(self, memory: Handle) -> int:
        return int(memory)

    def free(self, memory: Handle) -> None:
        self._call("cuMemFree", memory)

    def allocate_pinned(self, size: int) -> tuple[Handle, HostBytes]:
        address = int(self._call("cuMemHostAlloc", size, 0))
        return address, np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def free_pinned(self, memory: Handle) -> None:
        self._call("cuMemFreeHost", memory)

    def copy_to_device(self, address: int, source: HostBytes, stream: Handle) -> None:
        self._call("cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, stream)

    def copy_to_host(self, target: HostBytes, address: int, stream: Handle) -> None:
        self._call("cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, stream)

    def begin_capture(self, stream: Handle) -> None:
        mode = self._driver.CUstreamCaptureMode(CAPTURE_THREAD_LOCAL)
        self._call("cuStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Handle) -> Handle:
        recorded = self._call("cuStreamEndCapture", stream)
        try:
            return self._call("cuGraphInstantiate", recorded, 0)
        finally:
            self._call("cuGraphDestroy", recorded)

    def abandon_capture(self, stream: Handle) -> None:
        status, recorded = self._driver.cuStreamEndCapture(stream)
        if status == self._driver.CUresult.CUDA_SUCCESS:
            self._driver.cuGraphDestroy(recorded)

    def launch(self, graph: Handle, stream: Handle) -> None:
        self._call("cuGraphLaunch", graph, stream)

    def free_graph(self, graph: Handle) -> None:
        self._call("cuGraphExecDestroy", graph)

    def _call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401
        """Call the driver; return what it returns beside its status."""
        status, *values = getattr(self._driver, name)(*arguments)
        if status:
            self._check(name, status)
        if len(values) > 1:
            return values
        return values[0] if values else None

    def _check(self, name: str, status: Any) -> None:  # noqa: ANN401
        if not status:
            return
        _, text = self._driver.cuGetErrorString(status)
        known = getattr(status, "name", None) or f"error {int(status)}"
        raise cuda_error(name, known, (text or b"no explanation").decode(errors="replace"))


def _library() -> Any:  # noqa: ANN401
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise LibraryError(
            f"the CUDA binding cuda-python cannot be imported: {error}\n"
            "Install it with: pip install cuda-python"
        ) from error
    return driver
