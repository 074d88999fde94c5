"""The process of one rival: reads requests line by line, answers each when its work is done.

A request and its answer are one line of JSON. Between requests the process waits on a pipe, so
only the rival whose turn it is works. Arrays travel as ``.npy`` files; an answer with "error"
says what went wrong, and the process goes on.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time these are imported inside the clock
    import numpy as np

    from .backends import Running

Answer = dict[str, Any]


class Worker:
    """What the requests act on."""

    def __init__(self) -> None:
        self._model: Running | None = None
        self._inputs: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._results: dict[str, np.ndarray[Any, Any]] = {}

    def open(self, opener: str, file: str, threads: int, cpus: list[int] | None) -> Answer:
        """Import what the rival needs and open its model.

        Args:
            opener: "module:function" in this package.
            file: of the model.
            threads: it may use.
            cpus: to stay on; None is anywhere.

        Returns:
            import_ms, load_ms.
        """
        if cpus is not None:
            os.sched_setaffinity(0, cpus)  # before libraries count the processors they have
        module, _, function = opener.partition(":")
        start = time.perf_counter()
        imported = importlib.import_module(f".{module}", __package__)
        loading = time.perf_counter()
        self._model = getattr(imported, function)(Path(file), threads)
        return {"import_ms": _since(start, loading), "load_ms": _since(loading)}

    def run(self, case: list[str]) -> Answer:
        """Inpaint one case, once. Returns ms."""
        return {"ms": self._timed(case)}

    def warm(self, case: list[str], calls: int, seconds: float) -> Answer:
        """Inpaint one case until it was done often and long enough. Returns calls."""
        start, done = time.perf_counter(), 0
        while done < calls or time.perf_counter() - start < seconds:
            self._timed(case)
            done += 1
        return {"calls": done}

    def time(self, case: list[str], lead: int, calls: int) -> Answer:
        """Take a turn: some calls that bring back caches and clocks, then those that count."""
        for _ in range(lead):
            self._timed(case)
        return {"samples_ms": [self._timed(case) for _ in range(calls)]}

    def save(self, case: list[str], output: str) -> Answer:
        """Write the latest result of a case."""
        import numpy as np

        np.save(output, self._results[case[0]], allow_pickle=False)
        return {}

    def memory(self) -> Answer:
        """Tell the most memory that was used so far."""
        device = self._model.peak_device_bytes() if self._model else None
        return {"peak_host_bytes": _peak_host_bytes(), "peak_device_bytes": device}

    def _timed(self, case: list[str]) -> float:
        assert self._model is not None, "the first request must be to open a model"
        image, hole = self._loaded(case)
        start = time.perf_counter()
        result = self._model.run(image, hole)
        elapsed = _since(start)
        self._results[case[0]] = result
        return elapsed

    def _loaded(self, case: list[str]) -> "list[np.ndarray[Any, Any]]":
        """Read the image and the hole of a case, once."""
        if case[0] not in self._inputs:
            import numpy as np

            self._inputs[case[0]] = [np.load(file, allow_pickle=False) for file in case]
        return self._inputs[case[0]]


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more.

    Args:
        requests: a line each: the name of a method of ``Worker``, and its arguments.
        answers: a line each.
    """
    worker = Worker()
    methods: dict[str, Callable[..., Answer]] = {
        method.__name__: method
        for method in (worker.open, worker.run, worker.warm, worker.time, worker.save)
    }
    methods["memory"] = worker.memory
    for line in requests:
        name, arguments = json.loads(line)
        try:
            answer = methods[name](**arguments)
        except Exception as error:  # a library raises what it likes; the parent decides
            reason = str(error).strip().partition("\n")[0] or "no reason given"
            answer = {"error": f"{type(error).__name__}: {reason}"}
        print(json.dumps(answer), file=answers, flush=True)


def _peak_host_bytes() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else None


def _since(start: float, end: float | None = None) -> float:
    """Give milliseconds, to a tenth of a microsecond."""
    return round(((time.perf_counter() if end is None else end) - start) * 1e3, 4)


def main() -> None:
    """Serve on the standard streams; what libraries print goes to the standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this one
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
