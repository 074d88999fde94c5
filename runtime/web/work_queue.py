"""A bounded queue: some tasks run, some wait, and further ones are refused."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .metrics import Metrics
from .problem import Problem

T = TypeVar("T")
Event = dict[str, Any]


class Task:
    """A task with its deadline, and whether its client still waits."""

    def __init__(self, seconds: float, emit: Callable[[Event], None]) -> None:
        """Start the clock; ``emit`` takes events for the client from any thread."""
        self.emit = emit
        self.waited = 0.0
        self.ahead = -1  # tasks before this one, as last reported to the client
        self.called = asyncio.Event()  # set at its turn, or to end it
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._problem: Exception | None = None

    def stop(self, reason: Exception) -> None:
        """Request the work to end, for a reason."""
        self._problem = self._problem or reason
        self.called.set()

    @property
    def left(self) -> float:
        """Seconds to the deadline, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise Problem after the deadline or a stop, ClientLeftError if the client has left."""
        if self._problem is not None:
            raise self._problem
        if not self.left:
            raise Problem(
                504,
                f"the repair took longer than {self._seconds:g} seconds, the server's deadline\n"
                "Repair less at once, or start the server with a larger --deadline.",
            )


class WorkQueue:
    """A queue in front of a few threads. All methods belong to the event loop."""

    def __init__(self, width: int, places: int, metrics: Metrics | None = None) -> None:
        """Create the queue: ``width`` tasks run at once, ``places`` more may wait."""
        self._threads = ThreadPoolExecutor(width, "csakit-web")
        self._width, self._places = width, places
        self._metrics = metrics
        self._reserved = 0
        self._waiting: list[Task] = []
        self._running: list[Task] = []
        self._last_seconds = 1.0
        self.stopping = False

    @contextlib.contextmanager
    def reserve(self) -> "Iterator[WorkQueue]":
        """Reserve a place before the body of the request is read; Problem if none is free."""
        if self.stopping:
            raise _stopping()
        if self._reserved >= self._width + self._places:
            seconds = max(1, round(self._last_seconds * (1 + len(self._waiting)) / self._width))
            raise Problem(
                503,
                f"{self._reserved} repairs are waiting or running; the server takes no more\n"
                f"Try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        self._reserved += 1
        try:
            yield self
        finally:
            self._reserved -= 1

    def stop(self) -> None:
        """Refuse further tasks, and request waiting and running ones to end."""
        self.stopping = True
        for task in [*self._waiting, *self._running]:
            task.stop(_stopping())

    def close(self) -> None:
        """Wait for the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def run(self, work: Callable[[Task], T], task: Task) -> T:
        """Wait for a turn, then do the work in a thread."""
        started = time.monotonic()
        self._waiting.append(task)
        self._advance()
        try:
            while task in self._waiting:
                task.check()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(task.called.wait(), max(0.01, task.left))
            task.check()
        except BaseException:
            self._remove(task)
            raise
        task.waited = time.monotonic() - started
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, task)
        future.add_done_callback(lambda done: self._finished(done, task, started))
        return await asyncio.shield(future)

    def _finished(self, done: "asyncio.Future[Any]", task: Task, started: float) -> None:
        done.cancelled() or done.exception()  # mark as retrieved, even if nobody waits
        self._last_seconds = time.monotonic() - started - task.waited
        self._remove(task)

    def _remove(self, task: Task) -> None:
        (self._waiting if task in self._waiting else self._running).remove(task)
        self._advance()

    def _advance(self) -> None:
        """Start tasks for free threads, and report to the others how many are before them."""
        while self._waiting and len(self._running) < self._width:
            task = self._waiting.pop(0)
            self._running.append(task)
            task.called.set()
        for ahead, task in enumerate(self._waiting, len(self._running)):
            if task.ahead != ahead:
                task.ahead = ahead
                task.emit({"event": "queued", "ahead": ahead})
        if self._metrics is not None:
            self._metrics.waiting, self._metrics.running = len(self._waiting), len(self._running)


def _stopping() -> Problem:
    return Problem(503, "the server stops\nTry again when it is back.", {"Retry-After": "5"})
