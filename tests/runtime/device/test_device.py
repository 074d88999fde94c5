"""One GPU through either binding: the real one, or in another process the fake one.

``test_on_the_fake_driver.py`` runs this file where there is no GPU.
"""

import gc
from collections.abc import Callable

import numpy as np
import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.device.binding import CudaError, OutOfMemoryError
from csakit.runtime.device.device import Device, Stream
from csakit.runtime.device.open_device import open_device
from helpers.fake_driver import FakeDriver

pytestmark = pytest.mark.gpu


def there_and_back(device: Device, stream: Stream, values: np.ndarray) -> np.ndarray:
    with device.current():
        source, target = device.pinned(values.nbytes), device.pinned(values.nbytes)
        memory = device.buffer(values.nbytes)
        source.bytes[:] = values
        stream.copy_in(memory, source.bytes)
        stream.copy_out(target.bytes, memory)
        stream.synchronize()
        return target.bytes.copy()


def test_bytes_come_back_as_they_went(device: Device, rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, 100_001, dtype=np.uint8)

    with device.current():
        back = there_and_back(device, device.stream(), values)

    np.testing.assert_array_equal(back, values)


def test_a_device_says_what_it_is(device: Device) -> None:
    with device.current():
        free, total = device.memory()
        memory = device.buffer(1 << 20)

    assert device.name
    assert device.binding.title.split()[1][0].isdigit()
    assert 0 < free <= total
    assert memory.address % 256 == 0


def test_an_event_tells_when_the_work_before_it_is_done(device: Device) -> None:
    with device.current():
        stream, done = device.stream(), device.event()
        source, target, memory = device.pinned(64), device.pinned(64), device.buffer(64)
        source.bytes[:], target.bytes[:] = 7, 0
        stream.copy_in(memory, source.bytes)
        stream.copy_out(target.bytes, memory)
        stream.record(done)
        while not done.done:
            pass
        done.wait()

    assert (target.bytes == 7).all()


def test_events_for_timing_tell_the_time_between_them(device: Device) -> None:
    with device.current():
        stream, start, end = device.stream(), device.event(timing=True), device.event(timing=True)
        stream.record(start)
        there_and_back(device, stream, np.zeros(1 << 20, dtype=np.uint8))
        stream.record(end)
        end.wait()

        assert 0 < start.milliseconds_until(end) < 10_000


def test_a_graph_repeats_what_was_captured_and_capturing_does_nothing(device: Device) -> None:
    with device.current():
        stream = device.stream()
        source, target, memory = device.pinned(64), device.pinned(64), device.buffer(64)
        source.bytes[:], target.bytes[:] = 1, 0

        def work() -> None:
            stream.copy_in(memory, source.bytes)
            stream.copy_out(target.bytes, memory)

        graph = stream.capture(work)
        stream.synchronize()
        before = target.bytes.copy()
        seen = []
        for value in (2, 3):
            source.bytes[:] = value
            graph.launch(stream)
            stream.synchronize()
            seen.append(int(target.bytes[63]))
        graph.close()
        graph.close()

    assert not before.any()
    assert seen == [2, 3]


def refuse() -> None:
    raise EngineError("not this")


@pytest.mark.parametrize(
    ("work", "error", "text"),
    [
        (lambda _, stream: stream.capture(stream.synchronize), CudaError, "STREAM_CAPTURE_"),
        (lambda _, stream: stream.capture(refuse), EngineError, "not this"),
        (
            lambda device, _: device.buffer(1 << 50),
            OutOfMemoryError,
            "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        ),
    ],
)
def test_what_fails_is_an_error_and_the_stream_stays_usable(
    device: Device, work: Callable[[Device, Stream], object], error: type[Exception], text: str
) -> None:
    with device.current():
        stream = device.stream()

        with pytest.raises(error, match=text):
            work(device, stream)

        back = there_and_back(device, stream, np.full(64, 9, dtype=np.uint8))
    assert (back == 9).all()


def test_an_error_names_the_call_and_the_error_of_cuda(device: Device, fake: FakeDriver) -> None:
    with device.current():
        stream = device.stream()
        for call, status, name in (
            ("cuEventCreate", 1, "CUDA_ERROR_INVALID_VALUE: invalid argument"),
            ("cuStreamBeginCapture", 801, "CUDA_ERROR_NOT_SUPPORTED: operation not supported"),
        ):
            fake.fail(call, status)
            with pytest.raises(CudaError, match=f"{call} failed with {name}"):
                _ = device.event() if call == "cuEventCreate" else stream.capture(lambda: None)


@pytest.mark.parametrize(("spin", "flags"), [(True, [0, 2]), (False, [1, 3])])
def test_events_let_threads_spin_or_sleep(
    device: Device, monkeypatch: pytest.MonkeyPatch, spin: bool, flags: list[int]
) -> None:
    made: list[int] = []
    monkeypatch.setattr(device.binding, "new_event", lambda flags: made.append(flags))

    with Device(device.binding, 0, spin=spin) as other, other.current():
        other.event(timing=True)
        other.event()

    assert made == flags


def test_no_garbage_is_collected_while_a_graph_is_captured(device: Device) -> None:
    collecting: list[bool] = []
    with device.current():
        stream = device.stream()
        stream.capture(lambda: collecting.append(gc.isenabled()))
        with pytest.raises(ZeroDivisionError):
            stream.capture(lambda: collecting.append(bool(1 / 0)))

    assert collecting == [False]
    assert gc.isenabled()


def test_a_number_that_no_gpu_has_is_refused(device: Device) -> None:
    with pytest.raises(EngineError, match=r"must be one of this machine \(0 to \d+\); got 99"):
        Device(device.binding, 99)


def test_closing_frees_everything_and_twice_is_harmless(device: Device, fake: FakeDriver) -> None:
    device.close()
    before = fake.live
    with open_device(1, binding=device.binding.title.split()[0].lower()) as second:
        with second.current():
            stream = second.stream()
            there_and_back(second, stream, np.zeros(64, dtype=np.uint8))
            stream.capture(lambda: None)
            second.event()
        stream.close()
        stream.close()
    second.close()

    assert fake.live - before <= 1  # the primary context, which is kept
    assert fake.violations == 0
    with (
        pytest.raises(EngineError, match="GPU 1 is closed; open it again"),
        second.current(),
    ):
        pass
