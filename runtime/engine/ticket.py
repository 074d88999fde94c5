"""The receipt for a call that was started and not waited for."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy.typing as npt

from .context_pool import Flight

Array = npt.NDArray[Any]
T = TypeVar("T", bound=Array)


class Ticket(Generic[T]):
    """One call; any thread may ask for its result, as often as it likes.

    Args:
        flight: the call.
        finish: turns the engine's answer into what the caller wants.
    """

    def __init__(self, flight: Flight, finish: Callable[[Array], T]) -> None:
        self._flight = flight
        self._finish = finish
        self._lock = threading.Lock()
        self._result: T | None = None

    @property
    def done(self) -> bool:
        """Whether ``result`` would not wait."""
        return self._flight.landed

    def result(self) -> T:
        """Wait for the result.

        Returns:
            The same array each time, which belongs to the caller: no other call writes to it.

        Raises:
            EngineError: the engine failed, or answered with NaN where that is checked.
        """
        with self._lock:
            if self._result is None:
                self._result = self._finish(self._flight.land())
            return self._result
