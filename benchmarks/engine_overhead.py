"""Overhead of a session: host time of a call less the engine's own device time.

Consecutive replays of the engine's CUDA graph are timed between two events, interleaved with whole
calls from array to array, so that clock drift affects both alike.
"""

import contextlib
import dataclasses
import functools
import statistics
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..plugins.errors import EngineError
from ..runtime.device.device import Device, Event, Stream
from ..runtime.device.open_device import open_device
from ..runtime.engine.compatibility import diagnose, this_machine
from ..runtime.engine.engine_session import EngineSession
from ..runtime.engine.manifest import Manifest
from ..runtime.engine.open_engine import load_engine
from ..runtime.engine.shapes import CallShape
from ..runtime.engine.tensorrt_module import TensorRTModule
from ..runtime.engine.trt_engine import TensorRtEngine
from ..runtime.options import EngineOptions
from ..runtime.tensors.conversion import ModelInputs

TARGET_US: Final = 60.0  # at batch 1, 256x256, uint8
_REPLAYS: Final = 10  # between two events, so that the gap before the first hardly counts
_WARMUP_CALLS: Final = 20
_BUFFER_SEED: Final = 2019


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overhead:
    """Microseconds of each call at batch 1, on the host, and of the engine alone on the device."""

    title: str
    size: int
    io: str
    calls: int
    graphs: bool
    host_us: tuple[float, ...]
    device_us: tuple[float, ...]

    @property
    def overhead_us(self) -> float:
        """Median difference of host and device time."""
        pairs = zip(self.host_us, self.device_us, strict=True)
        return statistics.median(host - device for host, device in pairs)

    @property
    def missed(self) -> bool:
        """Whether the overhead is above the target, where one is stated."""
        return (self.size, self.io) == (256, "uint8") and self.overhead_us > TARGET_US

    def __str__(self) -> str:
        """Return one line."""
        host, device = statistics.median(self.host_us), statistics.median(self.device_us)
        return (
            f"{self.title}, {self.size}x{self.size} {self.io}: {host:.0f} us a call, {device:.0f} "
            f"us of them the engine; overhead {self.overhead_us:.0f} us (target: at most "
            f"{TARGET_US:.0f} us at 256x256 uint8)"
        )


def measure_engine(
    path: Path, *, number: int = 0, calls: int = 200, options: EngineOptions | None = None
) -> Overhead:
    """Open an engine that takes batch 1 and measure a session around it."""
    found = diagnose(path, this_machine(), device=number)
    manifest = found.require_usable()
    module = TensorRTModule.load(found.module or manifest.build.module)
    device = open_device(number, binding=options.binding if options else None)
    try:
        with device.current():
            engine = load_engine(module, path, manifest)
        return measure(engine, device, manifest, calls=calls, options=options)
    finally:
        device.close()


def measure(
    engine: TensorRtEngine,
    device: Device,
    manifest: Manifest,
    *,
    calls: int = 200,
    options: EngineOptions | None = None,
) -> Overhead:
    """Measure a session around an engine that was loaded on the device; close both."""
    session = EngineSession(engine, device, manifest, name="the engine", options=options)
    with contextlib.closing(session):
        size = manifest.profiles[0].size.least
        image = np.random.default_rng(_BUFFER_SEED).integers(0, 256, (1, size, size, 3), np.uint8)
        hole = np.zeros((1, size, size, 1), np.uint8)
        hole[:, size // 4 : size // 2, size // 4 : size // 2] = 1
        inputs = ModelInputs.from_pixels(session.io, image, hole)
        run = session.run_uint8 if session.io == "uint8" else session.run
        call = functools.partial(run, inputs.image, inputs.mask)
        rounds = _WARMUP_CALLS + calls
        with _engine_alone(engine, device, CallShape(session.io, 1, size, size)) as alone:
            samples = [(1e6 * timeit.timeit(call, number=1), alone()) for _ in range(rounds)]
        host, alone_us = zip(*samples[_WARMUP_CALLS:], strict=True)
        return Overhead(
            title=session.description,
            size=size,
            io=session.io,
            calls=calls,
            graphs=session.uses_graphs,
            host_us=host,
            device_us=alone_us,
        )


@contextlib.contextmanager
def _engine_alone(
    engine: TensorRtEngine, device: Device, shape: CallShape
) -> Iterator[Callable[[], float]]:
    """Yield a function that replays the engine on device memory; it returns microseconds a run."""
    with device.current(), contextlib.ExitStack() as stack:

        def owned(resource: Any) -> Any:  # noqa: ANN401  streams, buffers, events alike
            return stack.enter_context(contextlib.closing(resource))

        stream: Stream = owned(device.stream())
        memory = {name: owned(device.buffer(shape.bytes_of(name))) for name in shape.tensors}
        for name, buffer in memory.items():  # zeros are valid inputs of any engine
            pinned = owned(device.pinned(shape.bytes_of(name)))
            pinned.bytes[:] = 0
            stream.copy_in(buffer, pinned.bytes)
        addresses = {name: buffer.address for name, buffer in memory.items()}
        executor = owned(engine.executor(device, stream, shape, addresses))
        start: Event = owned(device.event(timing=True))
        end: Event = owned(device.event(timing=True))
        executor.enqueue(stream)
        stream.synchronize()
        launch: Callable[[], None] = lambda: executor.enqueue(stream)  # noqa: E731
        if not engine.manages_cuda_graphs:  # otherwise this would time the host
            with contextlib.suppress(EngineError):
                graph = owned(stream.capture(launch))
                launch = lambda: graph.launch(stream)  # noqa: E731

        def run() -> float:
            with device.current():
                stream.record(start)
                for _ in range(_REPLAYS):
                    launch()
                stream.record(end)
                end.wait()
                return start.milliseconds_until(end) * 1e3 / _REPLAYS

        yield run
