"""Percentiles are those of all samples, and intervals are as wide as the samples are uncertain."""

import numpy as np
import pytest
from csakit.benchmarks.distribution import drift, ratio_of_medians, ratio_of_ratios, summarise


def test_percentiles_lie_between_the_samples() -> None:
    summary = summarise([float(value) for value in range(1, 102)], items_per_call=2)

    assert summary.calls == 101
    assert (summary.p50_ms, summary.p90_ms, summary.p95_ms) == (51.0, 91.0, 96.0)
    assert (summary.p99_ms, summary.max_ms) == (100.0, 101.0)
    assert summary.items_per_s == pytest.approx(2000 / 51)
    assert summary.coefficient_of_variation == pytest.approx(np.std(range(1, 102), ddof=1) / 51)


def test_no_sample_is_clipped() -> None:
    assert summarise([1.0] * 99 + [1000.0]).max_ms == 1000.0
    assert summarise([1.0] * 99 + [1000.0]).mean_ms == pytest.approx(10.99)


def test_one_sample_varies_not_at_all() -> None:
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


def test_calls_of_one_turn_count_as_one_observation() -> None:
    rng = np.random.default_rng(0)
    turns = np.repeat(rng.normal(100, 10, 20), 5)  # five calls of a turn are alike
    other = np.repeat(rng.normal(100, 10, 20), 5)

    singly = ratio_of_medians(turns.tolist(), other.tolist())
    by_turn = ratio_of_medians(turns.tolist(), other.tolist(), turn=5)

    assert by_turn.value == singly.value
    assert by_turn.high - by_turn.low > 1.5 * (singly.high - singly.low)


def test_what_slows_the_whole_machine_cancels() -> None:
    rng = np.random.default_rng(0)
    state = np.concatenate([np.full(20, 1.0), np.full(20, 1.6)])  # it slowed half-way
    rival, yardstick = ((base * state * rng.normal(1, 0.01, 40)).tolist() for base in (50.0, 100.0))
    quiet_rival, quiet_yardstick = (
        (base * rng.normal(1, 0.01, 40)).tolist() for base in (50.0, 100.0)
    )

    ratio = ratio_of_ratios((rival, yardstick), (quiet_rival, quiet_yardstick))

    assert 0.97 < ratio.low < 1.0 < ratio.high < 1.03
    assert ratio_of_medians(rival, quiet_rival).high > 1.5


def test_long_records_are_resampled_in_blocks() -> None:
    samples = np.random.default_rng(0).normal(10, 1, 2000).tolist()

    ratio = ratio_of_medians(samples, samples)

    assert ratio.value == 1.0
    assert 0.98 < ratio.low < 1.0 < ratio.high < 1.02


@pytest.mark.parametrize(("calls", "turn"), [(1, 1), (3, 1), (9, 3)])
def test_too_few_turns_say_nothing_of_their_uncertainty(calls: int, turn: int) -> None:
    slow, fast = [2.0] * calls, [1.0] * calls

    ratio = ratio_of_medians(slow, fast, turn=turn)

    assert (ratio.value, ratio.low, ratio.high) == (2.0, 0.0, np.inf)
    assert ratio == ratio_of_ratios((slow, fast), (fast, fast), turn=turn)
    assert str(ratio) == "2.00"
