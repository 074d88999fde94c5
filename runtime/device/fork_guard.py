"""CUDA belongs to the process that opened it; this tells whether that is still the present one."""

import os

from ...plugins.errors import EngineError

_forks = 0  # between the process that imported this and the present one


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class Process:
    """The process that opened something of CUDA's, without asking the system each time."""

    def __init__(self) -> None:
        self._forks = _forks
        self._number = os.getpid()

    @property
    def is_this(self) -> bool:
        """Whether it is the present one."""
        return self._forks == _forks

    def require_this(self) -> None:
        """Refuse to use CUDA of another process.

        Raises:
            EngineError: this is another one, forked from it.
        """
        if self._forks != _forks:
            raise EngineError(
                f"CUDA does not survive a fork; this process ({os.getpid()}) was forked from the "
                f"one that opened it ({self._number})\nOpen models after the fork, or start "
                "processes with: multiprocessing.get_context('spawn')"
            )
