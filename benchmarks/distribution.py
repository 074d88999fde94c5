"""What samples say: percentiles, how steady they were, and ratios with their uncertainty.

No sample is ever clipped. Percentiles are those of the samples, linear between two of them.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_RESAMPLES: Final = 4000  # the ends of a 95 % interval then rest on 100 values each
_CONFIDENCE: Final = 0.95
_BLOCK_VALUES: Final = 1 << 20  # drawn at once, so that long records need no more memory
_LEAST_TURNS: Final = 4  # fewer say nothing about how turns vary
_SEED: Final = 2019  # the same records give the same interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Milliseconds per call, in ascending percentiles.

    Attributes:
        calls: how many samples there are.
        p50_ms: the median.
        p90_ms: and so on.
        p95_ms: ...
        p99_ms: of less than 100 calls it lies between the last two.
        max_ms: the slowest call.
        mean_ms: of all calls.
        coefficient_of_variation: standard deviation over mean; 0 for a single call.
        items_per_s: images (or what a call handles) per second of timed calls.
    """

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
    """An estimate and where it lies with 95 % confidence.

    Attributes:
        value: of the samples.
        low: lower end; 0 where there are too few turns to say.
        high: upper end; infinite where there are too few turns to say.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write the value, and the interval where it is known."""
        known = f" ({self.low:.2f}-{self.high:.2f})" if math.isfinite(self.high) else ""
        return f"{self.value:.2f}{known}"


def summarise(samples_ms: Sequence[float], *, items_per_call: int = 1) -> Summary:
    """Compute what is printed of samples.

    Args:
        samples_ms: at least one.
        items_per_call: for the throughput; the batch.

    Returns:
        The summary.
    """
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


def drift(samples_ms: Sequence[float]) -> float:
    """Compare the medians of the first and the second half of the samples.

    Args:
        samples_ms: in the order they ran.

    Returns:
        The larger over the smaller, less 1; 0 for fewer than four samples.
    """
    half = len(samples_ms) // 2
    if half < 2:
        return 0.0
    first, second = np.median(samples_ms[:half]), np.median(samples_ms[half:])
    low, high = sorted((float(first), float(second)))
    return high / low - 1 if low else 0.0


def ratio_of_medians(
    numerator: Sequence[float], denominator: Sequence[float], *, turn: int = 1
) -> Interval:
    """Say how much longer one took than the other, in two runs that share nothing.

    A bootstrap draws whole turns: calls of one turn resemble each other, and drawing them
    singly would make the interval too narrow.

    Args:
        numerator: samples in ms.
        denominator: samples in ms.
        turn: so many samples in a row belong together.

    Returns:
        The ratio of the medians and its 95 % interval.
    """
    rng = np.random.default_rng(_SEED)
    above, below = _turns(numerator, turn), _turns(denominator, turn)
    medians = [
        np.concatenate([_medians(turns, chosen) for chosen in _draws(rng, len(turns))])
        for turns in (above, below)
    ]
    turns = min(len(above), len(below))
    return _interval(float(np.median(above) / np.median(below)), medians[0] / medians[1], turns)


def ratio_of_ratios(
    numerator: tuple[Sequence[float], Sequence[float]],
    denominator: tuple[Sequence[float], Sequence[float]],
    *,
    turn: int = 1,
) -> Interval:
    """Say how a ratio of two rivals changed between two runs, in each of which they took turns.

    What slows a whole machine slows both rivals, and cancels.

    Args:
        numerator: samples in ms of a rival and of its yardstick, from the same turns of a run.
        denominator: the same of the other run.
        turn: so many samples in a row belong together.

    Returns:
        The ratio of the ratios of medians and its 95 % interval.
    """
    rng = np.random.default_rng(_SEED)
    value, ratios = 1.0, np.ones(_RESAMPLES)
    for pair, power in ((numerator, 1), (denominator, -1)):
        rival, yardstick = (_turns(samples, turn) for samples in pair)
        parts = [  # the same turns of both: they saw the same machine
            _medians(rival, chosen) / _medians(yardstick, chosen)
            for chosen in _draws(rng, len(rival))
        ]
        ratios *= np.concatenate(parts) ** power
        value *= float(np.median(rival) / np.median(yardstick)) ** power
    turns = min(len(pair[0]) // turn for pair in (numerator, denominator))
    return _interval(value, ratios, turns)


def _turns(samples: Sequence[float], turn: int) -> Floats:
    return np.asarray(samples, dtype=np.float64).reshape(-1, turn)


def _draws(rng: np.random.Generator, turns: int) -> Iterator[npt.NDArray[np.int64]]:
    """Choose which turns each resample has, with replacement; blocks of (resamples, turns)."""
    block = min(_RESAMPLES, max(1, _BLOCK_VALUES // turns))
    for start in range(0, _RESAMPLES, block):
        yield rng.integers(turns, size=(min(block, _RESAMPLES - start), turns))


def _medians(turns: Floats, chosen: npt.NDArray[np.int64]) -> Floats:
    medians: Floats = np.median(turns[chosen].reshape(len(chosen), -1), axis=1)
    return medians


def _interval(value: float, ratios: Floats, turns: int) -> Interval:
    if turns < _LEAST_TURNS:
        return Interval(value=value, low=0.0, high=math.inf)
    outside = 100 * (1 - _CONFIDENCE) / 2
    low, high = np.percentile(ratios, (outside, 100 - outside))
    return Interval(value=value, low=float(low), high=float(high))
