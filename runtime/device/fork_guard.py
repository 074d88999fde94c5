"""Refuse models and GPUs after a fork, which neither survives."""

import ctypes
import os
import weakref
from typing import Any

from ...plugins.errors import EngineError

_forks = 0  # between the process that imported this and the present one
_guards: "weakref.WeakSet[ForkGuard]" = weakref.WeakSet()


def _after_fork() -> None:
    """Keep what the parent opened for as long as the child lives."""
    global _forks
    _forks += 1
    # The parent's threads were not copied: a destructor that waits for them hangs or crashes,
    # also the one that Python calls when the child ends.
    for guard in list(_guards):
        if (owner := guard.owner()) is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


os.register_at_fork(after_in_child=_after_fork)


class ForkGuard:
    """The process that opened ``owner``; a forked child never destroys it."""

    def __init__(self, owner: Any = None, subject: str = "CUDA") -> None:  # noqa: ANN401
        self.owner = (lambda: None) if owner is None else weakref.ref(owner)
        self._subject = subject
        self._forks = _forks
        self._number = os.getpid()
        _guards.add(self)

    @property
    def is_this(self) -> bool:
        """Whether it is the present one."""
        return self._forks == _forks

    def require_this(self) -> None:
        """Raise EngineError in a process that was forked from the one that opened it."""
        if self._forks != _forks:
            raise EngineError(
                f"{self._subject} does not survive a fork; this process ({os.getpid()}) was forked "
                f"from the one that opened it ({self._number})\nOpen models after the fork, or "
                "start processes with: multiprocessing.get_context('spawn')"
            )
