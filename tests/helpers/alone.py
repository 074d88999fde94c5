"""One worker of pytest at a time: what one has built, the others find."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / "build" / "test-cache"


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold the lock of what is built inside; those that wait for it find it in ``CACHE``."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
