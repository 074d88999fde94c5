"""Time rivals in turn, so that a machine that drifts drifts for all of them."""

import statistics
import time
from collections.abc import Callable, Mapping

WARMUP_CALLS = 3  # allocators, thread pools and caches have settled by then


def interleaved(rivals: Mapping[str, Callable[[], object]], calls: int) -> dict[str, list[float]]:
    """Call every rival once a round.

    Args:
        rivals: name to what is timed.
        calls: rounds that count.

    Returns:
        Name to milliseconds of each call, in the order they ran.
    """
    samples: dict[str, list[float]] = {name: [] for name in rivals}
    for round_ in range(WARMUP_CALLS + calls):
        for name, call in rivals.items():
            start = time.perf_counter()
            call()
            if round_ >= WARMUP_CALLS:
                samples[name].append((time.perf_counter() - start) * 1e3)
    return samples


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Give the median over rounds of the ratio of two rivals of the same round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))
