"""Warnings about an image or a mask, as data for a collector and as log records."""

import contextlib
import contextvars
import dataclasses
import logging
from collections.abc import Iterator
from typing import Final

_collected: Final = contextvars.ContextVar["list[Notice] | None"]("notices", default=None)


@dataclasses.dataclass(frozen=True)
class Notice:
    """A warning about a successful repair."""

    kind: str  # "reduced", "empty", "inverted" and others, for programs
    text: str  # for people


def notify(
    logger: logging.Logger, kind: str, text: str, *values: object, level: int = logging.WARNING
) -> None:
    """Log a notice, and pass it to the collector of this thread or task if there is one."""
    logger.log(level, text, *values)
    if (notices := _collected.get()) is not None:
        notices.append(Notice(kind, text % values if values else text))


@contextlib.contextmanager
def collect_notices() -> Iterator[list[Notice]]:
    """Yield a list that collects the notices of this thread or task until the block ends."""
    found: list[Notice] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)
