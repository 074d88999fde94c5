"""The measurement of a session's overhead, around the engine of the tests.

Its times mean something on a GPU only; see ``tests/runtime/test_on_the_fake_driver.py``.
"""

import statistics
from collections.abc import Iterator

import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.engine_overhead import Overhead, measure
from csakit.runtime.device.device import Device
from csakit.runtime.device.open_device import BINDINGS, choose_binding, open_device
from helpers.negative_engine import NegativeEngine, manifest_of


@pytest.fixture(params=BINDINGS)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    choice = choose_binding(request.param)
    if choice.binding is None:
        pytest.skip(choice.reason)
    with open_device(binding=request.param) as opened:
        yield opened


@pytest.mark.gpu
@pytest.mark.parametrize("io", ["uint8", "float"])
def test_host_and_device_are_interleaved(device: Device, io: str) -> None:
    with device.current():
        engine = NegativeEngine(device)

    found = measure(engine, device, manifest_of(io), calls=12)

    assert (found.calls, found.size, found.io, found.graphs) == (12, 256, io, True)
    assert len(found.host_us) == len(found.device_us) == 12
    assert min(*found.host_us, *found.device_us) > 0
    assert "a kernel of the tests on" in str(found)
    print(found)


def overhead(host: list[float], device: list[float]) -> Overhead:
    return Overhead(
        title="an engine",
        size=256,
        io="uint8",
        calls=len(host),
        graphs=True,
        host_us=tuple(host),
        device_us=tuple(device),
    )


def test_the_overhead_is_the_median_of_the_differences_of_rounds() -> None:
    found = overhead([1040, 2050, 3070], [1000, 2000, 3000])

    assert found.overhead_us == 50
    assert statistics.median(found.host_us) - statistics.median(found.device_us) == 50
    assert str(found) == (
        "an engine, 256x256 uint8: 2050 us a call, 2000 us of them the engine; overhead 50 us "
        "(target: at most 60 us at 256x256 uint8)"
    )


def test_an_engine_that_is_not_there_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overhead", "absent.engine"]) == 2
    assert "the engine must be an existing file; got absent.engine" in capsys.readouterr().err
