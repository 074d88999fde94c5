"""Hundreds of repairs, and the process is as large as after the first ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from ..conftest import RecordingSession
from .serving import Serve, files_of

PAGE_BYTES = 4096


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


@pytest.mark.slow
@pytest.mark.skipif("CSAKIT_SLOW" not in os.environ, reason="make web-slow runs it")
def test_memory_is_flat_over_500_repairs(serve: Serve, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    files = files_of(image, (20, 20, 60, 60), (250, 350, 280, 390))
    sizes, session = [], RecordingSession()
    running = serve(session)
    for number in range(500):
        session.calls.clear()  # else the test itself keeps what it sent
        accept = "application/x-ndjson" if number % 2 else "image/*"
        answer = running.post(files, headers={"Accept": accept})
        assert answer.status_code == 200
        if number >= 99:
            sizes.append(resident_bytes())

    growth = np.mean(sizes[-50:]) - np.mean(sizes[:50])
    print(f"resident: {sizes[0] >> 20} MiB after 100, {sizes[-1] >> 20} MiB after 500 repairs")
    assert growth < 8 << 20
