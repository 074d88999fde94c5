"""Targets are met at the limit, missed beyond it, and never guessed."""

import pytest
from csakit.benchmarks.attention.goals import goals
from csakit.benchmarks.record import Check, Measurement, Record
from helpers.operator_records import operator_record, timed


def of(record: Record, word: str) -> Check:
    """Give the one goal whose name has a word."""
    (check,) = [check for check in goals(record) if word in check.name]
    return check


@pytest.mark.parametrize(
    ("holes", "us", "outcome"),
    [(225, 25.0, "met"), (225, 25.1, "missed"), (512, 45.0, "met"), (512, 45.1, "missed")],
)
def test_latency_is_that_of_the_captured_graph(holes: int, us: float, outcome: str) -> None:
    record = operator_record(timed("cuda-graph", holes, us), timed("cuda", holes, 1.0))

    goal = of(record, f"{holes} holes take")

    assert goal.outcome == outcome
    assert goal.reason == f"{us:.1f} us"


@pytest.mark.parametrize(("us", "outcome"), [(60.0, "met"), (61.0, "missed")])
def test_a_batch_is_judged_by_its_worst_ratio(us: float, outcome: str) -> None:
    record = operator_record(
        timed("cuda-graph", 225, 20.0),
        timed("cuda-graph", 225, us, batch=16),
        timed("cuda-graph", 512, 40.0),
        timed("cuda-graph", 512, 80.0, batch=16),
    )

    goal = of(record, "batch of 16")

    assert goal.outcome == outcome
    assert goal.reason == f"{us / 20:.2f} times"


def profiled(cycles: float, mhz: float = 2000.0) -> list[Measurement]:
    return [
        timed("cuda", holes, 50.0, kernels_us={"chain": 3 + holes * cycles / mhz})
        for holes in (1, 225, 512)
    ]


@pytest.mark.parametrize(("cycles", "outcome"), [(99.0, "met"), (101.0, "missed")])
def test_the_chain_is_judged_by_the_slope_of_its_kernel(cycles: float, outcome: str) -> None:
    goal = of(operator_record(*profiled(cycles)), "serial chain")

    assert goal.outcome == outcome
    assert goal.reason == f"{cycles:.0f} cycles at 2000 MHz, slope of the chain kernel"


def test_without_a_profile_the_slope_of_all_kernels_stands_in_and_says_so() -> None:
    graph = [timed("cuda-graph", holes, 9 + 0.08 * holes) for holes in (1, 225, 512)]

    goal = of(operator_record(*graph), "serial chain")

    assert goal.outcome == "missed"
    assert goal.reason.startswith("160 cycles at 2000 MHz, slope of all kernels")


def test_without_a_clock_there_are_no_cycles() -> None:
    goal = of(operator_record(*profiled(50.0), settings={}), "serial chain")

    assert goal.outcome == "skipped"


@pytest.mark.parametrize(("us", "outcome"), [(15000.0, "met"), (14900.0, "missed")])
def test_the_loop_is_compared_with_kernels_launched_one_by_one(us: float, outcome: str) -> None:
    record = operator_record(
        timed("cuda", 225, 30.0), timed("cuda-graph", 225, 1.0), timed("python-loop-cuda", 225, us)
    )

    goal = of(record, "Python loop")

    assert goal.outcome == outcome
    assert goal.reason.startswith(f"{us / 30:.0f} times: 30.0 us against")


@pytest.mark.parametrize(
    "other",
    [{"dtype": "float32"}, {"channels": 256}, {"side": 24}, {"similarity": "cosine"}],
)
def test_targets_are_about_the_stated_sizes_only(other: dict[str, object]) -> None:
    record = operator_record(timed("cuda-graph", 225, 1.0, **other))

    assert {check.outcome for check in goals(record)} == {"skipped"}
    assert {check.reason for check in goals(record)} == {"not measured in this run"}
