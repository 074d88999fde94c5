"""Sessions around the engine of the tests, closed at the end of each."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from csakit.runtime.device.device import Device
from csakit.runtime.engine.engine_session import EngineSession
from helpers.negative_engine import NegativeEngine, open_negative

OpenSession = Callable[..., tuple[EngineSession, NegativeEngine]]


@pytest.fixture
def open_session(device: Device) -> Iterator[OpenSession]:
    """A function that opens one, with the arguments of ``open_negative``."""
    opened: list[EngineSession] = []

    def open_one(*arguments: Any, **options: Any) -> tuple[EngineSession, NegativeEngine]:  # noqa: ANN401
        session, engine = open_negative(device, *arguments, **options)
        opened.append(session)
        return session, engine

    yield open_one
    for session in opened:
        session.close()
