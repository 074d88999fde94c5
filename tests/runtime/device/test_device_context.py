"""Contexts, threads and processes: what else in the process uses CUDA is left alone."""

import ctypes
import os
import threading

import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.device.device import Device
from csakit.runtime.device.open_device import open_device

pytestmark = pytest.mark.gpu


def current_context() -> int | None:
    """Ask the driver, whatever the bindings believe."""
    context = ctypes.c_void_p()
    assert ctypes.CDLL("libcuda.so.1").cuCtxGetCurrent(ctypes.byref(context)) == 0
    return context.value


def test_the_context_is_current_for_the_block_only_in_every_thread(device: Device) -> None:
    seen: list[int | None] = []

    def work() -> None:
        seen.append(current_context())
        with device.current():
            seen.append(current_context())
            device.stream().synchronize()
        seen.append(current_context())

    before = current_context()  # of whatever ran in this thread before
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    work()

    assert seen[1] is not None
    assert seen[:3] == [None, seen[1], None]
    assert seen[3:] == [before, seen[1], before]


def test_a_context_of_another_library_stays_current(device: Device) -> None:
    driver, other = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
    before = ctypes.c_void_p(current_context())
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(other), 0) == 0
    assert driver.cuCtxSetCurrent(other) == 0
    try:
        with device.current():
            inside = current_context()
        device.close()

        assert inside == other.value  # both use the primary one
        assert current_context() == other.value
    finally:
        assert driver.cuCtxSetCurrent(before) == 0
        assert driver.cuDevicePrimaryCtxRelease_v2(0) == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that is the point
def test_a_forked_process_is_told_to_open_its_own(device: Device) -> None:
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        text = ""
        try:
            with device.current():
                pass
        except EngineError as error:
            text += f"{error}\n"
        try:
            open_device()
        except EngineError as error:
            text += f"{error}\n"
        device.close()
        os.write(writing, text.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()

    assert told.count("CUDA does not survive a fork") == 2
    assert "multiprocessing.get_context('spawn')" in told
    with device.current():  # nothing of the child's has reached this one
        device.stream().synchronize()
