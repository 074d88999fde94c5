"""A plan that cannot be run is refused before the minutes it would take."""

import os
from typing import Any

import pytest
from csakit.benchmarks.latency import plan as plans
from csakit.benchmarks.latency.plan import QUICK, Plan
from csakit.plugins.errors import ContractError


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"backends": ("torch", "tflite")}, "a backend must be one of .*got 'tflite'"),
        ({"sizes": (256, 300)}, "a size must be a multiple of 256 up to 2048; got 300"),
        ({"sizes": (0,)}, "a size must be a multiple of 256"),
        ({"sizes": (4096,)}, "up to 2048; got 4096"),
        ({"sizes": ()}, "must each name at least one"),
        ({"batches": (0,)}, "a batch must be at least 1; got 0"),
        ({"holes": ("middle",)}, "a hole ratio must be 'center' or in 0..0.9; got 'middle'"),
        ({"holes": ("0.95",)}, "in 0..0.9; got '0.95'"),
        ({"holes": ("nan",)}, "in 0..0.9; got 'nan'"),
        ({"rounds": 0}, "rounds must be at least 1; got 0"),
        ({"calls": 0}, "calls must be at least 1; got 0"),
        ({"lead": -1}, "lead must be at least 0; got -1"),
        ({"warmup_seconds": float("nan")}, "warmup_seconds must be at least 0; got nan"),
        ({"warmup_seconds": float("inf")}, "warmup_seconds must be at least 0; got inf"),
        ({"cold_starts": -1}, "cold_starts must be at least 0"),
        ({"threads": 0}, r"threads must be 1\.\.\d+, the processors that this process may use"),
        ({"threads": 10_000}, "got 10000"),
    ],
)
def test_what_cannot_be_run_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        Plan(**fields)


def test_backends_are_pinned_to_a_core_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "core_processors", lambda: [0, 2, 4, 6, 1, 3, 5, 7])
    monkeypatch.setattr(plans, "physical_cores", lambda: 4)

    assert Plan().processors() == [0, 2, 4, 6]
    assert Plan(threads=2).processors() == [0, 2]
    assert Plan(threads=5).processors() == [0, 2, 4, 6, 1]


def test_where_the_system_cannot_pin_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)

    assert Plan().processors() is None


def test_by_default_latency_is_a_function_of_the_hole_ratio() -> None:
    assert Plan().holes == ("center", "0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6")
    assert QUICK.rounds * QUICK.calls * len(QUICK.holes) <= 4
