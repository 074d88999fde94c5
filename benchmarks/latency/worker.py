"""The worker process of one backend, and ``Process``, its handle in the parent.

A worker handles one request at a time and then waits for the next, so that only one backend works
at a time.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...plugins.errors import EngineError

if TYPE_CHECKING:  # at run time these are imported inside the clock
    from ...runtime.tensors.pixels import Float32
    from .backends import Running

_END_SECONDS: Final = 20  # grace period before a worker is killed


class Worker:
    """The requests that a worker handles; cases are referred to by index."""

    def __init__(self) -> None:
        self._model: Running | None = None
        self._inputs: list[tuple[Float32, Float32]] = []
        self._results: dict[int, Float32] = {}

    def open(
        self,
        opener: str,
        session: Mapping[str, str],
        modules: Sequence[str],
        file: Path,
        threads: int,
    ) -> tuple[float, float]:
        """Import what the backend needs and open its model; return both times in ms."""
        start = time.perf_counter()
        for name in modules:
            importlib.import_module(name)
        module, _, function = opener.partition(":")
        open_model = getattr(importlib.import_module(module, __package__), function)
        loading = time.perf_counter()
        self._model = open_model(file, threads=threads, **session)
        return _since(start, loading), _since(loading)

    def add_cases(self, inputs: "Sequence[tuple[Float32, Float32]]") -> None:
        """Add cases: images (B, 3, H, W) and holes (B, 1, H, W)."""
        self._inputs += inputs

    def run(self, case: int, lead: int = 0, calls: int = 1) -> list[float]:
        """Run a case ``lead`` times untimed, for caches and clocks, then timed; return ms."""
        return [self._timed(case) for _ in range(lead + calls)][lead:]

    def warm_up(self, case: int, calls: int, seconds: float) -> None:
        """Run a case at least ``calls`` times and for at least ``seconds``."""
        start, done = time.perf_counter(), 0
        while done < calls or time.perf_counter() - start < seconds:
            self._timed(case)
            done += 1

    def result(self, case: int) -> "Float32":
        """Return the latest result of a case."""
        return self._results[case]

    def peak_host_bytes(self) -> int | None:
        """Return the peak memory of the process so far; None if unknown."""
        try:
            status = Path("/proc/self/status").read_text()
        except OSError:  # not Linux
            return None
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
        return int(peak.split()[1]) * 1024 if peak else None

    def _timed(self, case: int) -> float:
        assert self._model is not None, "the first request must be to open a model"
        image, hole = self._inputs[case]
        start = time.perf_counter()
        result = self._model.run(image, hole)
        elapsed = _since(start)
        self._results[case] = result
        return elapsed


def serve(connection: Connection, environment: dict[str, str], cpus: list[int] | None) -> None:
    """Answer requests (method of ``Worker``, arguments) with (result, error) until the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this process
    os.dup2(2, 1)  # output of libraries goes to stderr
    os.environ.update(environment)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)  # before libraries count the processors they have
    worker = Worker()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            name, arguments = connection.recv()
            answer: tuple[Any, str | None]
            try:
                answer = getattr(worker, name)(**arguments), None
            except Exception as error:  # libraries raise errors of any class; the parent decides
                reason = str(error).strip().partition("\n")[0] or "no reason given"
                answer = None, f"{type(error).__name__}: {reason}"
            connection.send(answer)


class Process:
    """Handle of a worker process; ``cpus`` are the processors it is pinned to."""

    def __init__(self, name: str, threads: int, cpus: list[int] | None, cache: Path) -> None:
        self.name = name
        self.started = time.perf_counter()
        environment = {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": str(cache)}
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, environment, cpus), daemon=True)
        self._process.start()
        theirs.close()  # otherwise the connection would survive the process

    def ask(self, request: str, **arguments: Any) -> Any:  # noqa: ANN401
        """Send a request, a method of ``Worker``, and return its result."""
        try:
            self._connection.send((request, arguments))
            result, error = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(_END_SECONDS)
            code = self._process.exitcode
            raise EngineError(f"the process of {self.name} died with exit code {code}") from error
        if error is not None:
            raise EngineError(error)
        return result

    def close(self) -> None:
        """End the process. Calling twice is harmless."""
        self._connection.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _since(start: float, end: float | None = None) -> float:
    """Return milliseconds, to a tenth of a microsecond."""
    return round(((time.perf_counter() if end is None else end) - start) * 1e3, 4)
