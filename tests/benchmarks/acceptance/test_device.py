"""Memory of a GPU is read as it was written; without a driver that is said in a line."""

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest
from csakit.benchmarks.acceptance import device as module
from csakit.benchmarks.acceptance.device import DriverBuffer, DriverDevice, first_gpu
from csakit.plugins.errors import LibraryError
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE


@pytest.fixture
def _fresh() -> Iterator[None]:
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.gpu
@pytest.mark.usefixtures("_fresh")
def test_what_is_written_is_read(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    from helpers.cuda_device import native_library

    monkeypatch.setenv(LIBRARY_VARIABLE, str(native_library().path))
    values = rng.integers(0, 256, 1001, dtype=np.uint8)

    with first_gpu() as device:
        buffer = device.allocate(values.nbytes)
        buffer.write(values)
        device.finish()
        read = buffer.read()

    np.testing.assert_array_equal(read, values)


class Driver:
    """A driver whose every function answers with an error."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: 999


def test_an_error_of_the_driver_names_the_function() -> None:
    with pytest.raises(LibraryError, match=r"cuMemAlloc_v2 failed with CUDA error 999"):
        DriverBuffer(Driver(), 16)  # type: ignore[arg-type]


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(module, "load", lambda: None)
    monkeypatch.setattr(ctypes, "CDLL", missing)

    with pytest.raises(LibraryError, match=r"NVIDIA's driver is missing: libcuda\.so\.1"):
        DriverDevice()
