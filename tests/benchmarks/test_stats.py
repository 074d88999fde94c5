"""Percentiles are those of all samples, and intervals are as wide as the samples are uncertain."""

import numpy as np
import pytest
from csakit.benchmarks import stats
from csakit.benchmarks.stats import (
    WARMUP_CALLS,
    drift,
    interleaved,
    median_ratio,
    ratio_of_medians,
    ratio_of_ratios,
    summarise,
)


def test_percentiles_lie_between_the_samples() -> None:
    summary = summarise([float(value) for value in range(1, 102)], items_per_call=2)

    assert summary.calls == 101
    assert (summary.p50_ms, summary.p90_ms, summary.p95_ms) == (51.0, 91.0, 96.0)
    assert (summary.p99_ms, summary.max_ms) == (100.0, 101.0)
    assert summary.items_per_s == pytest.approx(2000 / 51)
    assert summary.coefficient_of_variation == pytest.approx(np.std(range(1, 102), ddof=1) / 51)


def test_no_sample_is_clipped_and_one_alone_does_not_vary() -> None:
    clipped = summarise([1.0] * 99 + [1000.0])

    assert (clipped.max_ms, clipped.mean_ms) == (1000.0, pytest.approx(10.99))
    assert summarise([3.0]).coefficient_of_variation == 0.0


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((1.0, 1.0, 2.0, 2.0), 1.0),
        ((2.0, 2.0, 1.0, 1.0), 1.0),
        ((1.0, 5.0, 1.0, 5.0), 0.0),
        ((1.0, 9.0), 0.0),
    ],
)
def test_drift_is_between_the_halves(samples: tuple[float, ...], expected: float) -> None:
    assert drift(samples) == expected


def test_the_interval_of_a_ratio_covers_the_truth_and_excludes_what_is_far() -> None:
    rng = np.random.default_rng(0)
    fast, slow = rng.normal(100, 3, 60), rng.normal(120, 3, 60)

    ratio = ratio_of_medians(slow.tolist(), fast.tolist())

    assert ratio.low < 1.2 < ratio.high
    assert ratio.low < ratio.value < ratio.high
    assert ratio.high - ratio.low < 0.06
    assert ratio == ratio_of_medians(slow.tolist(), fast.tolist())  # the seed is fixed


def test_calls_of_one_round_count_as_one_observation() -> None:
    rng = np.random.default_rng(0)
    rounds = np.repeat(rng.normal(100, 10, 20), 5)  # five calls of a round are alike
    other = np.repeat(rng.normal(100, 10, 20), 5)

    singly = ratio_of_medians(rounds.tolist(), other.tolist())
    by_round = ratio_of_medians(rounds.tolist(), other.tolist(), per_round=5)

    assert by_round.value == singly.value
    assert by_round.high - by_round.low > 1.5 * (singly.high - singly.low)


def test_what_slows_the_whole_machine_cancels() -> None:
    rng = np.random.default_rng(0)
    state = np.concatenate([np.full(20, 1.0), np.full(20, 1.6)])  # it slowed half-way
    candidate, baseline = (
        (base * state * rng.normal(1, 0.01, 40)).tolist() for base in (50.0, 100.0)
    )
    quiet_candidate, quiet_baseline = (
        (base * rng.normal(1, 0.01, 40)).tolist() for base in (50.0, 100.0)
    )

    ratio = ratio_of_ratios((candidate, baseline), (quiet_candidate, quiet_baseline))

    assert 0.97 < ratio.low < 1.0 < ratio.high < 1.03
    assert ratio_of_medians(candidate, quiet_candidate).high > 1.5


def test_long_records_are_resampled_in_blocks() -> None:
    samples = np.random.default_rng(0).normal(10, 1, 2000).tolist()

    ratio = ratio_of_medians(samples, samples)

    assert ratio.value == 1.0
    assert 0.98 < ratio.low < 1.0 < ratio.high < 1.02


@pytest.mark.parametrize(("calls", "per_round"), [(1, 1), (3, 1), (9, 3)])
def test_too_few_rounds_have_no_interval(calls: int, per_round: int) -> None:
    slow, fast = [2.0] * calls, [1.0] * calls

    ratio = ratio_of_medians(slow, fast, per_round=per_round)

    assert (ratio.value, ratio.low, ratio.high) == (2.0, 0.0, np.inf)
    assert ratio == ratio_of_ratios((slow, fast), (fast, fast), per_round=per_round)
    assert str(ratio) == "2.00"


def test_every_candidate_is_called_once_a_round_in_the_given_order() -> None:
    calls: list[str] = []
    candidates = {name: lambda name=name: calls.append(name) for name in ("slow", "fast", "other")}

    times = interleaved(candidates, 4)

    assert calls == ["slow", "fast", "other"] * (WARMUP_CALLS + 4)
    assert {name: len(of.wall_ms) for name, of in times.items()} == dict.fromkeys(candidates, 4)


def test_each_candidate_has_its_own_time_without_that_of_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"wall": 100.0, "processor": 5.0}
    durations = iter([9.0] * WARMUP_CALLS + [0.001, 0.004, 0.002])
    monkeypatch.setattr(stats.time, "perf_counter", lambda: seconds["wall"])
    monkeypatch.setattr(stats.time, "process_time", lambda: seconds["processor"])

    def slow() -> None:
        duration = next(durations)
        seconds["wall"] += duration
        seconds["processor"] += 2 * duration  # two threads

    times = interleaved({"slow": slow, "instant": lambda: None}, 3)

    assert times["slow"].wall_ms == pytest.approx([1.0, 4.0, 2.0])
    assert times["slow"].processor_ms == pytest.approx([2.0, 8.0, 4.0])
    assert times["instant"] == ([0.0] * 3, [0.0] * 3)


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    drifting = [10.0, 20.0, 400.0]

    assert median_ratio(drifting, [5.0, 10.0, 100.0]) == 2.0


def test_samples_of_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1.0, 2.0], [1.0])
