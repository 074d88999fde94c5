"""The CUDA driver through PyCUDA, which JetPack brings.

PyCUDA has no graphs: those calls go to the driver by ``ctypes``. Its objects free themselves, only
with their context current; it releases a primary context only in the thread that retained it.
"""

import ctypes
import functools
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
        self._translated = _Translation(self._cuda.Error)
        with self._translated:
            self._cuda.init()

    def count(self) -> int:
        with self._translated:
            return int(self._cuda.Device.count())

    def name(self, number: int) -> str:
        with self._translated:
            return str(self._cuda.Device(number).name())

    def retain(self, number: int) -> Handle:
        if number not in _contexts:
            with self._translated:
                context = self._cuda.Device(number).retain_primary_context()
            # Freed, it would call cuCtxDetach, which primary contexts do not take; the driver
            # lets go of it when the process ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
            _contexts[number] = context
        return _contexts[number]

    def push(self, context: Handle) -> None:
        with self._translated:
            context.push()

    def pop(self) -> None:
        with self._translated:
            self._cuda.Context.pop()

    def memory(self) -> tuple[int, int]:
        with self._translated:
            free, total = self._cuda.mem_get_info()
        return int(free), int(total)

    def new_stream(self) -> Handle:
        with self._translated:
            return [self._cuda.Stream(NON_BLOCKING)]

    def stream_handle(self, stream: Handle) -> int:
        return int(stream[0].handle)

    def synchronize(self, stream: Handle) -> None:
        with self._translated:
            stream[0].synchronize()

    def free_stream(self, stream: Handle) -> None:
        stream.clear()

    def new_event(self, flags: int) -> Handle:
        with self._translated:
            return [self._cuda.Event(flags)]

    def record(self, event: Handle, stream: Handle) -> None:
        with self._translated:
            event[0].record(stream[0])

    def wait_event(self, event: Handle) -> None:
        with self._translated:
            event[0].synchronize()

    def is_done(self, event: Handle) -> bool:
        with self._translated:
            return bool(event[0].query())

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        with self._translated:
            return float(start[0].time_till(end[0]))

    def free_event(self, event: Handle) -> None:
        event.clear()

    def allocate(self, size: int) -> Handle:
        with self._translated:
            return self._cuda.mem_alloc(size)

    def address(self, memory: Handle) -> int:
        return int(memory)

    def free(self, memory: Handle) -> None:
        with self._translated:
            memory.free()

    def allocate_pinned(self, size: int) -> tuple[Handle, HostBytes]:
        with self._translated:
            array = self._cuda.pagelocked_empty(size, np.uint8)
        return array.base, array

    def free_pinned(self, memory: Handle) -> None:
        with self._translated:
            memory.free()

    def copy_to_device(self, address: int, source: HostBytes, stream: Handle) -> None:
        with self._translated:
            self._cuda.memcpy_htod_async(address, source, stream[0])

    def copy_to_host(self, target: HostBytes, address: int, stream: Handle) -> None:
        with self._translated:
            self._cuda.memcpy_dtoh_async(target, address, stream[0])

    def begin_capture(self, stream: Handle) -> None:
        _call("cuStreamBeginCapture_v2", self._pointer(stream), CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: Handle) -> Handle:
        recorded, graph = ctypes.c_void_p(), ctypes.c_void_p()
        _call("cuStreamEndCapture", self._pointer(stream), ctypes.byref(recorded))
        try:
            flags = ctypes.c_ulonglong(0)
            _call("cuGraphInstantiateWithFlags", ctypes.byref(graph), recorded, flags)
        finally:
            _call("cuGraphDestroy", recorded)
        return graph

    def abandon_capture(self, stream: Handle) -> None:
        recorded = ctypes.c_void_p()
        _driver().cuStreamEndCapture(self._pointer(stream), ctypes.byref(recorded))
        if recorded:
            _driver().cuGraphDestroy(recorded)

    def launch(self, graph: Handle, stream: Handle) -> None:
        _call("cuGraphLaunch", graph, self._pointer(stream))

    def free_graph(self, graph: Handle) -> None:
        _call("cuGraphExecDestroy", graph)

    def _pointer(self, stream: Handle) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.stream_handle(stream))


class _Translation:
    """Translates PyCUDA's errors into ours; as a class it costs a third of a generator."""

    def __init__(self, kind: type[Exception]) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, self._kind):
            call, _, text = str(error).partition(" failed: ")
            raise cuda_error(call, _names().get(text, "an unknown error"), text) from error


def _call(name: str, *arguments: Any) -> None:  # noqa: ANN401
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
    described = (_described(status) for status in range(1, _LAST_STATUS))
    return {text: name for name, text in described}


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
