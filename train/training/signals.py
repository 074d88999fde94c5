"""SIGINT and SIGTERM end a run after the step that is running."""

import signal
import threading
import types
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Records the first SIGINT or SIGTERM; a second SIGINT interrupts at once. A context manager.

    In threads other than the main one, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.received = 0  # number of the signal; 0 is none
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {one: signal.signal(one, self._handle) for one in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _handle(self, number: int, _frame: types.FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
