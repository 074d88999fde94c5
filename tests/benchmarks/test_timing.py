"""Rivals are timed in turn, and compared round by round."""

import itertools
from collections.abc import Iterator

import pytest
from csakit.benchmarks import timing
from csakit.benchmarks.timing import WARMUP_CALLS, interleaved, median_ratio


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", clock)
    return clock


def test_every_rival_is_called_once_a_round_in_the_given_order() -> None:
    calls: list[str] = []
    rivals = {name: lambda name=name: calls.append(name) for name in ("slow", "fast", "other")}

    samples = interleaved(rivals, 4)

    assert calls == ["slow", "fast", "other"] * (WARMUP_CALLS + 4)
    assert {name: len(values) for name, values in samples.items()} == dict.fromkeys(rivals, 4)


def test_warm_up_calls_do_not_count_and_samples_are_milliseconds(clock: Clock) -> None:
    durations: Iterator[float] = itertools.chain([9.0] * WARMUP_CALLS, [0.001, 0.004, 0.002])

    def work() -> None:
        clock.seconds += next(durations)

    samples = interleaved({"work": work}, 3)

    assert samples["work"] == pytest.approx([1.0, 4.0, 2.0])


def test_the_time_of_one_rival_is_not_charged_to_the_other(clock: Clock) -> None:
    def slow() -> None:
        clock.seconds += 0.5

    samples = interleaved({"slow": slow, "instant": lambda: None}, 2)

    assert samples["slow"] == pytest.approx([500.0, 500.0])
    assert samples["instant"] == [0.0, 0.0]


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    drifting = [10.0, 20.0, 400.0]

    assert median_ratio(drifting, [5.0, 10.0, 100.0]) == 2.0


def test_samples_of_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1.0, 2.0], [1.0])
