"""Ctrl-C as a wish that is asked for, where an exception could come at a deadly moment.

TensorRT calls Python from C++, to log and to tell its progress. A KeyboardInterrupt that is
raised in such a call ends the process with a segmentation fault (seen in 1.7 of TensorRT for
RTX). So while TensorRT is at work, Ctrl-C sets a flag, and the builder reads it.
"""

import signal
import sys
import threading
from types import TracebackType
from typing import Any


class Interrupts:
    """Within the block Ctrl-C raises nothing; at its end it raises KeyboardInterrupt.

    A second Ctrl-C ends the process at once. Elsewhere than in the main thread, where Python
    delivers no signals, and where the process ignores Ctrl-C, nothing is changed.

    Attributes:
        came: whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        """Take Ctrl-C over."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and before != signal.SIG_IGN:
            self._before = before
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        """Give Ctrl-C back; an interrupted block has been interrupted, whatever it raised."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.came:
            raise KeyboardInterrupt from None

    def _take(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.came = True
        print("stopping at the next step; again ends at once", file=sys.stderr)
