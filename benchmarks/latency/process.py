"""A worker process, seen from the one that directs the run."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import EngineError

_MODULE: Final = "csakit.benchmarks.latency.worker"
_END_SECONDS: Final = 20  # to finish a call, after which it is killed
_LAST_LINES: Final = 3  # of what it printed, where it died


class Process:
    """One worker.

    Args:
        name: of the rival, for messages.
        threads: environment variables tell libraries to start no more.
        cache: folder for what libraries compile, so that a run leaves nothing behind.
    """

    def __init__(self, name: str, threads: int, cache: Path) -> None:
        self.name = name
        self.started = time.perf_counter()
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
        }
        self._printed = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  # closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            env=environment,
        )

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Let the worker do something, and wait until it is done.

        Args:
            request: a method of ``worker.Worker``.
            **arguments: its arguments.

        Returns:
            Its answer.

        Raises:
            EngineError: it failed or died; the text says why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([request, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise EngineError(f"the process of {self.name} died: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process. Calling twice is harmless."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printed.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._printed.seek(0)
        lines = self._printed.read().strip().splitlines()[-_LAST_LINES:]
        return " / ".join(lines) or f"exit code {code}, and it printed nothing"


@contextlib.contextmanager
def started(name: str, threads: int, cache: Path) -> Iterator[Process]:
    """Start a worker that ends with the block."""
    process = Process(name, threads, cache)
    try:
        yield process
    finally:
        process.close()
