"""Interleaved timing, percentiles, and ratios with their uncertainty.

Samples are never clipped. Percentiles are interpolated linearly between samples.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Samples = Sequence[float]

WARMUP_CALLS: Final = 3  # allocators, thread pools and caches have settled by then
_RESAMPLES: Final = 4000  # the ends of a 95 % interval then rest on 100 values each
_BLOCK_VALUES: Final = 1 << 20  # drawn at once, so that long records need no more memory
_MIN_ROUNDS: Final = 4  # fewer do not show how rounds vary
_SEED: Final = 2019  # makes intervals reproducible


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Milliseconds per call; the coefficient of variation is 0 for a single call."""

    calls: int
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float
    coefficient_of_variation: float
    items_per_s: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its 95 % interval, which is 0 to infinity if there are too few rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the value, and the interval if known."""
        known = f" ({self.low:.2f}-{self.high:.2f})" if math.isfinite(self.high) else ""
        return f"{self.value:.2f}{known}"


class Times(NamedTuple):
    """Milliseconds of each call: wall time, and processor time of all threads."""

    wall_ms: list[float]
    processor_ms: list[float]


def interleaved(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Return times of every candidate, called once per round so that drift affects all alike."""
    times = {name: Times([], []) for name in candidates}
    for round_ in range(WARMUP_CALLS + rounds):
        for name, call in candidates.items():
            start, processor = time.perf_counter(), time.process_time()
            call()
            end, processor_end = time.perf_counter(), time.process_time()
            if round_ >= WARMUP_CALLS:
                times[name].wall_ms.append((end - start) * 1e3)
                times[name].processor_ms.append((processor_end - processor) * 1e3)
    return times


def median_ratio(numerator: Samples, denominator: Samples) -> float:
    """Return the median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def summarise(samples_ms: Samples, *, items_per_call: int = 1) -> Summary:
    """Return the summary of at least one sample."""
    samples = np.asarray(samples_ms, dtype=np.float64)
    p50, p90, p95, p99 = (float(p) for p in np.percentile(samples, (50, 90, 95, 99)))
    mean = float(samples.mean())
    spread = float(samples.std(ddof=1)) if samples.size > 1 else 0.0
    return Summary(
        calls=samples.size,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(samples.max()),
        mean_ms=mean,
        coefficient_of_variation=spread / mean if mean else 0.0,
        items_per_s=1e3 * items_per_call / mean if mean else 0.0,
    )


def drift(samples_ms: Samples) -> float:
    """Return the relative difference of the halves' medians; 0 for fewer than four samples."""
    half = len(samples_ms) // 2
    if half < 2:
        return 0.0
    low, high = sorted(map(statistics.median, (samples_ms[:half], samples_ms[half:])))
    return high / low - 1 if low else 0.0


def ratio_of_medians(numerator: Samples, denominator: Samples, *, per_round: int = 1) -> Interval:
    """Return the bootstrapped ratio of two runs, by rounds of ``per_round`` samples."""
    return ratio_of_ratios((numerator,), (denominator,), per_round=per_round)


def ratio_of_ratios(
    numerator: Sequence[Samples], denominator: Sequence[Samples], *, per_round: int = 1
) -> Interval:
    """Return the bootstrapped ratio of two runs, each relative to its interleaved baseline."""
    from scipy import stats  # deferred: half a second

    runs = [[np.reshape(one, (-1, per_round)) for one in run] for run in (numerator, denominator)]

    def ratio(*chosen: Indices, axis: int = -1) -> Floats:
        """Return the ratio of medians of the chosen (..., rounds) of both runs."""
        above, below = (_median(run, rounds) for run, rounds in zip(runs, chosen, strict=True))
        return above / below

    rounds = [np.arange(len(run[0])) for run in runs]
    value, fewest = float(ratio(*rounds)), min(map(len, rounds))
    if fewest < _MIN_ROUNDS:
        return Interval(value=value, low=0.0, high=math.inf)
    low, high = stats.bootstrap(
        rounds,
        ratio,
        n_resamples=_RESAMPLES,
        batch=max(1, _BLOCK_VALUES // max(map(len, rounds))),
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(value=value, low=float(low), high=float(high))


def _median(run: Sequence[Floats], rounds: Indices) -> Floats:
    """Return the median of the rounds; with a baseline, the ratio to its median."""
    medians = [np.median(one[rounds].reshape(*rounds.shape[:-1], -1), axis=-1) for one in run]
    return medians[0] / medians[1] if len(medians) > 1 else medians[0]
