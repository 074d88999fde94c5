"""The CUDA driver through PyCUDA, which JetPack brings.

PyCUDA has no graphs: those calls use the driver by ``ctypes``. Its objects free themselves, only
with their context current; it releases a primary context only in the thread that retained it.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ...plugins.errors import LibraryError
from .binding import CAPTURE_THREAD_LOCAL, NON_BLOCKING, Handle, HostBytes, cuda_error

_LAST_STATUS: Final = 1000  # CUDA's numbers end at 999, CUDA_ERROR_UNKNOWN
_contexts: Final[dict[int, Any]] = {}  # by number of the GPU; see Binding.retain


class PyCudaBinding:
    """See ``Binding``; LibraryError without PyCUDA or a driver."""

    def __init__(self) -> None:
        self._cuda = _library()
        from pycuda import VERSION_TEXT

        self.title = f"PyCUDA {VERSION_TEXT}"
        self._call(self._cuda.init)

    def count(self) -> int:
        return int(self._call(self._cuda.Device.count))

    def name(self, number: int) -> str:
        return str(self._call(self._call(self._cuda.Device, number).name))

    def retain(self, number: int) -> Handle:
        if number not in _contexts:
            device = self._call(self._cuda.Device, number)
            context = self._call(device.retain_primary_context)
            # Its destructor would call cuCtxDetach, which fails for primary contexts; the driver
            # releases it when the process ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
            _contexts[number] = context
        return _contexts[number]

    def push(self, context: Handle) -> None:
        self._call(context.push)

    def pop(self) -> None:
        self._call(self._cuda.Context.pop)

    def memory(self) -> tuple[int, int]:
        free, total = self._call(self._cuda.mem_get_info)
        return int(free), int(total)

    def new_stream(self) -> Handle:
        return [self._call(self._cuda.Stream, NON_BLOCKING)]

    def stream_handle(self, stream: Handle) -> int:
        return int(stream[0].handle)

    def synchronize(self, stream: Handle) -> None:
        self._call(stream[0].synchronize)

    def free_stream(self, stream: Handle) -> None:
        stream.clear()

    def new_event(self, flags: int) -> Handle:
        return [self._call(self._cuda.Event, flags)]

    def record(self, event: Handle, stream: Handle) -> None:
        self._call(event[0].record, stream[0])

    def wait_event(self, event: Handle) -> None:
        self._call(event[0].synchronize)

    def is_done(self, event: Handle) -> bool:
        return bool(self._call(event[0].query))

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        return float(self._call(start[0].time_till, end[0]))

    def free_event(self, event: Handle) -> None:
        event.clear()

    def allocate(self, size: int) -> Handle:
        return self._call(self._cuda.mem_alloc, size)

    def address(self, memory: Handle) -> int:
        return int(memory)

    def free(self, memory: Handle) -> None:
        self._call(memory.free)

    def allocate_pinned(self, size: int) -> tuple[Handle, HostBytes]:
        array = self._call(self._cuda.pagelocked_empty, size, np.uint8)
        return array.base, array

    def free_pinned(self, memory: Handle) -> None:
        self._call(memory.free)

    def copy_to_device(self, address: int, source: HostBytes, stream: Handle) -> None:
        self._call(self._cuda.memcpy_htod_async, address, source, stream[0])

    def copy_to_host(self, target: HostBytes, address: int, stream: Handle) -> None:
        self._call(self._cuda.memcpy_dtoh_async, target, address, stream[0])

    def begin_capture(self, stream: Handle) -> None:
        _call_driver("cuStreamBeginCapture_v2", self._pointer(stream), CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: Handle) -> Handle:
        recorded, graph = ctypes.c_void_p(), ctypes.c_void_p()
        _call_driver("cuStreamEndCapture", self._pointer(stream), ctypes.byref(recorded))
        try:
            flags = ctypes.c_ulonglong(0)
            _call_driver("cuGraphInstantiateWithFlags", ctypes.byref(graph), recorded, flags)
        finally:
            _call_driver("cuGraphDestroy", recorded)
        return graph

    def abandon_capture(self, stream: Handle) -> None:
        recorded = ctypes.c_void_p()
        _driver().cuStreamEndCapture(self._pointer(stream), ctypes.byref(recorded))
        if recorded:
            _driver().cuGraphDestroy(recorded)

    def launch(self, graph: Handle, stream: Handle) -> None:
        _call_driver("cuGraphLaunch", graph, self._pointer(stream))

    def free_graph(self, graph: Handle) -> None:
        _call_driver("cuGraphExecDestroy", graph)

    def _pointer(self, stream: Handle) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.stream_handle(stream))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Call PyCUDA; raise its errors as ``CudaError``."""
        try:
            return function(*arguments)
        except self._cuda.Error as error:
            del function, arguments  # a traceback must not keep resources alive
            call, _, text = str(error).partition(" failed: ")
            raise cuda_error(call, _names().get(text, "an unknown error"), text) from error


def _call_driver(name: str, *arguments: Any) -> None:  # noqa: ANN401
    status = getattr(_driver(), name)(*arguments)
    if status:
        raise cuda_error(name.removesuffix("_v2"), *_described(status))


def _described(status: int) -> tuple[str, str]:
    """Return the name and the text of a status."""
    found = []
    for function in (_driver().cuGetErrorName, _driver().cuGetErrorString):
        text = ctypes.c_char_p()
        function(status, ctypes.byref(text))
        found.append((text.value or b"").decode(errors="replace"))
    return found[0] or f"error {status}", found[1] or "no explanation"


@functools.cache
def _names() -> dict[str, str]:
    """Map the driver's texts to its names."""
    return {text: name for name, text in map(_described, range(1, _LAST_STATUS))}


@functools.cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")  # PyCUDA, which is imported by now, has opened it


def _library() -> Any:  # noqa: ANN401
    try:
        import pycuda.driver
    except ImportError as error:
        raise LibraryError(
            f"the CUDA binding PyCUDA cannot be imported: {error}\n"
            "It needs NVIDIA's driver. Install it with: pip install pycuda   (which compiles it), "
            "or use the other binding: pip install cuda-python"
        ) from error
    return pycuda.driver
