"""What the sanitizers run covers every kernel and compares its results; tried on a fake GPU."""

from typing import Any

import numpy as np
import pytest
from csakit.plugins.abi import Direction, Dtype, Layout
from csakit.plugins.spec import SIMILARITIES
from gpu import sanitizer_driver as driver
from gpu.sanitizer_driver import every_call, run
from helpers.kernel_device import SimtDevice

SMALL = [call for call in every_call() if call.shape[0] == 2]


def test_every_type_layout_similarity_and_direction_is_run_on_every_shape() -> None:
    calls = list(every_call())

    assert len(calls) == len(set(calls)) == 2 * len(Dtype) * len(Layout) * 2 * len(Direction)
    assert {call.similarity for call in calls} == set(SIMILARITIES)
    assert {call.shape[1] for call in calls} == {72, 512}


def test_all_calls_are_right_on_a_fake_gpu(simt: SimtDevice) -> None:
    assert run(simt, list(every_call())) == []
    simt.finish()


def test_some_calls_touch_only_what_they_may(watched: SimtDevice) -> None:
    assert run(watched, SMALL[::5]) == []
    watched.finish()


@pytest.mark.parametrize("direction", Direction)
def test_a_result_that_is_off_is_named(
    simt: SimtDevice, monkeypatch: pytest.MonkeyPatch, direction: Direction
) -> None:
    right = driver.coherent_semantic_attention, driver.input_gradient

    def off(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        values = values.copy()
        values[0, 0, 5, 5] += 1e-2 * np.abs(values).max()
        return values

    monkeypatch.setattr(driver, "coherent_semantic_attention", lambda *a: off(right[0](*a)))
    monkeypatch.setattr(driver, "input_gradient", lambda *a: off(right[1](*a)))
    call = next(call for call in SMALL if call.direction is direction)

    (wrong,) = run(simt, [call])

    assert wrong.startswith(f"{direction.name.lower()} float32 nchw projection (2, 72, 11, 9)")
    assert "off by 1.0e-02 of the largest value, 5.0e-06 allowed" in wrong
