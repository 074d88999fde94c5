"""Interleaved timing, percentiles, and ratios with their uncertainty.

No sample is ever clipped. Percentiles are those of the samples, linear between two of them.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Samples = Sequence[float]

WARMUP_CALLS: Final = 3  # allocators, thread pools and caches have settled by then
_RESAMPLES: Final = 4000  # the ends of a 95 % interval then rest on 100 values each
_CONFIDENCE: Final = 0.95
_BLOCK_VALUES: Final = 1 << 20  # drawn at once, so that long records need no more memory
_MIN_ROUNDS: Final = 4  # fewer say nothing about how rounds vary
_SEED: Final = 2019  # the same records give the same interval


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
    """An estimate and its 95 % interval, which is 0 to infinity where there are too few rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write the value, and the interval where it is known."""
        known = f" ({self.low:.2f}-{self.high:.2f})" if math.isfinite(self.high) else ""
        return f"{self.value:.2f}{known}"


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Call every candidate once a round, so that drift is shared; return milliseconds of each."""
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(WARMUP_CALLS + rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            if round_ >= WARMUP_CALLS:
                samples[name].append((time.perf_counter() - start) * 1e3)
    return samples


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
    """Return by how much the medians of both halves differ; 0 for fewer than four samples."""
    half = len(samples_ms) // 2
    if half < 2:
        return 0.0
    low, high = sorted(map(statistics.median, (samples_ms[:half], samples_ms[half:])))
    return high / low - 1 if low else 0.0


def ratio_of_medians(numerator: Samples, denominator: Samples, *, per_round: int = 1) -> Interval:
    """Bootstrap the ratio of two independent runs, by rounds of ``per_round`` samples."""
    return ratio_of_ratios((numerator,), (denominator,), per_round=per_round)


def ratio_of_ratios(
    numerator: Sequence[Samples], denominator: Sequence[Samples], *, per_round: int = 1
) -> Interval:
    """Bootstrap how interleaved (candidate, baseline) of one run compare with those of another."""
    rng = np.random.default_rng(_SEED)
    value, ratios = 1.0, np.ones(_RESAMPLES)
    for run, power in ((numerator, 1), (denominator, -1)):
        samples = [np.asarray(one, dtype=np.float64).reshape(-1, per_round) for one in run]
        parts = [  # the same rounds of both: they saw the same machine
            _divided([np.median(one[chosen].reshape(len(chosen), -1), axis=1) for one in samples])
            for chosen in _draws(rng, len(samples[0]))
        ]
        ratios *= np.concatenate(parts) ** power
        value *= float(_divided([np.median(one, keepdims=True) for one in samples]).item()) ** power
    rounds = min(len(run[0]) // per_round for run in (numerator, denominator))
    if rounds < _MIN_ROUNDS:
        return Interval(value=value, low=0.0, high=math.inf)
    outside = 100 * (1 - _CONFIDENCE) / 2
    low, high = np.percentile(ratios, (outside, 100 - outside))
    return Interval(value=value, low=float(low), high=float(high))


def _divided(medians: Sequence[Floats]) -> Floats:
    return medians[0] / medians[1] if len(medians) > 1 else medians[0]


def _draws(rng: np.random.Generator, rounds: int) -> Iterator[npt.NDArray[np.int64]]:
    """Choose the rounds of each resample, with replacement; blocks of (resamples, rounds)."""
    block = min(_RESAMPLES, max(1, _BLOCK_VALUES // rounds))
    for start in range(0, _RESAMPLES, block):
        yield rng.integers(rounds, size=(min(block, _RESAMPLES - start), rounds))
