"""Metrics of the server in Prometheus' text format."""

import bisect
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final

BUCKETS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)  # seconds
STAGES: Final = ("queue", "decode", "model", "encode")


class Metrics:
    """Counters and histograms of the server, for threads and tasks alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = {stage: [0] * (len(BUCKETS) + 1) for stage in STAGES}
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._totals = Counter(bytes=0, pixels=0)
        self.waiting = 0
        self.running = 0

    def count(self, route: str, status: int) -> None:
        """Count a request that was answered."""
        with self._lock:
            self._requests[route, status] += 1

    def add(self, unit: str, number: int) -> None:
        """Add received "bytes" or repaired "pixels"."""
        with self._lock:
            self._totals[unit] += number

    def observe(self, stage: str, seconds: float) -> None:
        """Add the time that one request spent in a stage."""
        with self._lock:
            self._buckets[stage][bisect.bisect_left(BUCKETS, seconds)] += 1
            self._seconds[stage] += seconds

    def render(self) -> str:
        """Return Prometheus' text format."""
        with self._lock:
            return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        yield from _head("csakit_requests_total", "counter", "Requests by route and status.")
        for (route, status), count in sorted(self._requests.items()):
            yield f'csakit_requests_total{{route="{route}",status="{status}"}} {count}'
        size, pixels = self._totals["bytes"], self._totals["pixels"]
        for name, kind, text, value in (
            ("csakit_queue_length", "gauge", "Repairs that wait.", self.waiting),
            ("csakit_running", "gauge", "Repairs that run.", self.running),
            ("csakit_repaired_pixels_total", "counter", "Pixels repaired.", pixels),
            ("csakit_received_bytes_total", "counter", "Bytes of request bodies.", size),
        ):
            yield from _head(name, kind, text)
            yield f"{name} {value}"
        name = "csakit_stage_seconds"
        yield from _head(name, "histogram", "Seconds of a request by stage.")
        for stage in STAGES:
            total = 0
            for limit, count in zip((*BUCKETS, "+Inf"), self._buckets[stage], strict=True):
                total += count
                yield f'{name}_bucket{{stage="{stage}",le="{limit}"}} {total}'
            yield f'{name}_sum{{stage="{stage}"}} {self._seconds[stage]:.6f}'
            yield f'{name}_count{{stage="{stage}"}} {total}'


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
