"""Refuse to use models and GPUs in a forked process, where neither works."""

import ctypes
import os
import weakref
from typing import Any

from ...plugins.errors import EngineError

_forks = 0  # from the process that imported this to the present one
_guards: "weakref.WeakSet[ForkGuard]" = weakref.WeakSet()


def _after_fork() -> None:
    """Keep the parent's models and devices alive in the child."""
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
        """Whether this process opened it."""
        return self._forks == _forks

    def require_this(self) -> None:
        """Raise EngineError in a process that was forked from the one that opened it."""
        if self._forks != _forks:
            raise EngineError(
                f"{self._subject} does not survive a fork; this process ({os.getpid()}) was forked "
                f"from the one that opened it ({self._number})\nOpen models after the fork, or "
                "start processes with: multiprocessing.get_context('spawn')"
            )
