"""An engine that is no TensorRT: one kernel of our own, launched through the driver.

It computes on a real GPU and on the fake one, so that all that stands around an engine can be
tested, and timed, where TensorRT is not.
"""

import ctypes
import threading
from collections.abc import Mapping
from typing import Any

from csakit.runtime.contract import IMAGE, MASK, OUTPUT
from csakit.runtime.device.binding import cuda_error
from csakit.runtime.device.device import Device, Stream
from csakit.runtime.engine.engine_session import EngineSession
from csakit.runtime.engine.manifest import Manifest
from csakit.runtime.engine.shapes import CallShape, ShapeRange, Span
from csakit.runtime.options import EngineOptions

from .engines import make_manifest
from .negative_kernels import BYTES, FLOAT, PTX

THREADS = 256


def _call(name: str, *arguments: Any) -> None:  # noqa: ANN401  ctypes takes anything
    driver = ctypes.CDLL("libcuda.so.1")
    if status := getattr(driver, name)(*arguments):
        text = ctypes.c_char_p()
        driver.cuGetErrorName(status, ctypes.byref(text))
        raise cuda_error(name, (text.value or b"?").decode(), "as the test wants it")


class NegativeExecutor:
    """One launch; with memory of its own, as TensorRT's have."""

    def __init__(
        self, engine: "NegativeEngine", shape: CallShape, addresses: Mapping[str, int]
    ) -> None:
        self._engine = engine
        self._scratch = engine.device.buffer(engine.scratch) if engine.scratch else None
        self._count = shape.batch * 3 * shape.height * shape.width
        pointers = [ctypes.c_void_p(addresses[name]) for name in (IMAGE, MASK, OUTPUT)]
        numbers = [ctypes.c_int(self._count), ctypes.c_int(shape.height * shape.width)]
        self._values = [*pointers, *numbers]
        self._arguments = (ctypes.c_void_p * 5)(*map(ctypes.addressof, self._values))
        self._kernel = engine.kernel(FLOAT if shape.io == "float" else BYTES)

    def enqueue(self, stream: Stream) -> None:
        self._engine.enqueued += 1
        if self._engine.waits:
            stream.synchronize()  # what no capture allows
        if not self._engine.gate.is_set():
            self._engine.reached.set()
            self._engine.gate.wait(60)
        if self._engine.asleep:
            return
        blocks = -(-self._count // THREADS)
        grid = [ctypes.c_uint(size) for size in (blocks, 1, 1, THREADS, 1, 1, 0)]
        handle = ctypes.c_void_p(stream.number)
        _call("cuLaunchKernel", self._kernel, *grid, handle, self._arguments, None)

    def close(self) -> None:
        if self._scratch is not None:
            self._scratch.close()


class NegativeEngine:
    """The loaded kernels; ``device`` is current while they are loaded."""

    description = "a kernel of the tests"
    manages_cuda_graphs = False

    def __init__(self, device: Device) -> None:
        self.device = device
        self.scratch = 0  # bytes that each executor allocates
        self.waits = False  # enqueueing waits for the device, which cannot be captured
        self.asleep = False  # enqueueing does nothing
        self.gate = threading.Event()  # enqueueing waits while it is not set
        self.gate.set()
        self.reached = threading.Event()  # set when enqueueing waits at the gate
        self.enqueued = 0  # times that Python enqueued the engine; replays of graphs do not count
        self.caches_saved = 0
        self.made: list[CallShape] = []  # shapes of the executors
        self._module = ctypes.c_void_p()
        _call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(PTX.encode()))

    def kernel(self, name: str) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        _call("cuModuleGetFunction", ctypes.byref(function), self._module, name.encode())
        return function

    def executor(
        self, device: Device, stream: Stream, shape: CallShape, addresses: Mapping[str, int]
    ) -> NegativeExecutor:
        self.made.append(shape)
        return NegativeExecutor(self, shape, addresses)

    def save_cache(self) -> None:
        self.caches_saved += 1

    def close(self) -> None:
        if self._module:
            _call("cuModuleUnload", self._module)
        self._module = ctypes.c_void_p()


def manifest_of(io: str, batch: tuple[int, ...] = (1, 1, 8), **fields: Any) -> Manifest:  # noqa: ANN401
    """Describe it for batches and sides of 256 to 1024."""
    size = fields.pop("size", (256, 512, 1024))
    return make_manifest(
        io=io, profiles=(ShapeRange(batch=Span(*batch), size=Span(*size)),), **fields
    )


def open_negative(
    device: Device,
    io: str = "uint8",
    **arguments: Any,  # noqa: ANN401
) -> tuple[EngineSession, NegativeEngine]:
    """Open a session around it; arguments are those of options, manifest and session."""
    names = ("contexts", "cuda_graph")
    options = EngineOptions(**{n: arguments.pop(n) for n in names if n in arguments})
    finite = arguments.pop("check_finite", False)
    with device.current():
        engine = NegativeEngine(device)
    manifest = manifest_of(io, **arguments)
    session = EngineSession(
        engine, device, manifest, name="negative.engine", options=options, check_finite=finite
    )
    return session, engine
