"""Repair many image files with one model, and read and write others while it runs.

Decoders, encoders and ONNX Runtime release Python's lock, so threads are enough. The model runs in
the calling thread, one image at a time: results equal those of ``run_job`` bit by bit.
"""

import collections
import contextlib
import contextvars
import dataclasses
import logging
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from ...plugins.errors import ContractError, CsakitError, ResourceError
from ..host import physical_cores
from ..inpainter import Inpainter
from .job import FileOptions, Job, Loaded, Repaired, fill, load_job, write_job

T = TypeVar("T")

# Phone photographs have 12 to 50 million pixels: a few of 12 are in memory at once, of 50 hardly
# more than one. Each pixel takes about ten bytes while its file is read or written.
HELD_PIXELS: Final = 48_000_000
_OF_ONE_JOB: Final = (ContractError, ResourceError)  # errors after which other jobs continue

working_on: "contextvars.ContextVar[Job | None]" = contextvars.ContextVar(
    "working_on", default=None
)  # this thread's job, by which log handlers assign records to jobs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a job: either ``repaired`` or ``problem`` is None."""

    job: Job  # the three files
    repaired: Repaired | None  # the summary
    problem: CsakitError | None  # why it was skipped
    warnings: tuple[str, ...] = ()  # log messages about it, with their levels


class _Warnings(logging.Handler):
    """Log handler that holds the records of each job until the job is reported."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._held: dict[Job, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Hold one record."""
        if job := working_on.get():
            text = f"{record.levelname.lower()}: {record.getMessage()}"
            self._held.setdefault(job, []).append(text)

    def of(self, job: Job) -> tuple[str, ...]:
        """Remove and return the messages about a job."""
        return tuple(self._held.pop(job, ()))


def repair_files(
    inpaint: Inpainter, jobs: Iterable[Job], options: FileOptions
) -> Generator[Outcome, None, None]:
    """Yield an outcome for each job in order; EngineError comes after those of earlier jobs."""
    logger, warnings = logging.getLogger("csakit"), _Warnings()
    logger.addHandler(warnings)
    try:
        with contextlib.closing(_Pipeline(inpaint, options, warnings)) as pipeline:
            yield from pipeline.run(jobs)
    finally:
        logger.removeHandler(warnings)


class _Pipeline:
    """Two groups of threads around one model."""

    def __init__(self, inpaint: Inpainter, options: FileOptions, warnings: _Warnings) -> None:
        self._inpaint = inpaint
        self._options = options
        self._warnings = warnings
        self._threads = physical_cores()  # in each group; more would only wait for each other
        self._readers = ThreadPoolExecutor(self._threads, "csakit-read")
        self._writers = ThreadPoolExecutor(self._threads, "csakit-write")
        self._failed = False
        self._reading: collections.deque[tuple[Job, Future[Loaded]]] = collections.deque()
        self._writing: collections.deque[tuple[Job, int, Future[Repaired]]] = collections.deque()

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Keep the model busy until all is done."""
        waiting = iter(jobs)
        ahead = next(waiting, None)
        while ahead is not None or self._reading or self._writing:
            while ahead is not None and self._may_read(ahead):
                loading = self._readers.submit(
                    _working, ahead, lambda job: load_job(job, self._options)
                )
                self._reading.append((ahead, loading))
                ahead = next(waiting, None)
            if self._reading:
                self._fill(*self._reading.popleft())
            if self._failed:  # start nothing after an error that ends the run
                ahead, waiting = None, iter(())
                self._reading.clear()
            while self._writing and self._must_report():
                job, _, future = self._writing.popleft()
                yield self._outcome(job, future)

    def close(self) -> None:
        """Finish running jobs, and start no others."""
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=False, cancel_futures=True)
        for threads in (self._readers, self._writers):
            threads.shutdown()

    def _fill(self, job: Job, loading: "Future[Loaded]") -> None:
        """Run the model on one job and hand the result to the writers; never raise."""
        pixels, writing = 0, Future[Repaired]()
        try:
            loaded = loading.result()
            result = _working(job, lambda _: fill(self._inpaint, loaded))
            pixels = loaded.hole.size
            writing = self._writers.submit(
                _working, job, lambda _: write_job(loaded, result, self._options)
            )
        except _OF_ONE_JOB as error:
            writing.set_exception(error)
        except Exception as error:  # raised again when it is this job's turn
            writing.set_exception(error)
            self._failed = True
        self._writing.append((job, pixels, writing))

    def _may_read(self, job: Job) -> bool:
        """Report whether one more job fits in memory and no other job writes its outputs."""
        if not (self._reading or self._writing):
            return True
        busy = [job for job, _ in self._reading] + [job for job, *_ in self._writing]
        taken = {_folded(job, self._options) for job in busy}
        return (
            len(self._reading) <= self._threads
            and self._held() <= HELD_PIXELS
            and all(names.isdisjoint(_folded(job, self._options)) for names in taken)
        )

    def _must_report(self) -> bool:
        """Report whether the oldest job is done, or has to be awaited before other work."""
        return (
            self._writing[0][2].done()
            or not self._reading
            or len(self._writing) > self._threads
            or self._held() > HELD_PIXELS
        )

    def _outcome(self, job: Job, future: "Future[Repaired]") -> Outcome:
        """Wait for a job; a problem of its files is an outcome, other errors end the run."""
        repaired = problem = None
        try:
            repaired = future.result()
        except _OF_ONE_JOB as error:
            problem = error
        warnings = self._warnings.of(job)
        return Outcome(job=job, repaired=repaired, problem=problem, warnings=warnings)

    def _held(self) -> int:
        """Count the pixels in memory, as far as they are known."""
        done = (future for _, future in self._reading if future.done())
        read = sum(one.result().hole.size for one in done if one.exception() is None)
        return read + sum(size for _, size, _ in self._writing)


def _working(job: Job, work: Callable[[Job], T]) -> T:
    """Run a step of a job with ``working_on`` set to it."""
    token = working_on.set(job)
    try:
        return work(job)
    finally:
        working_on.reset(token)


def _folded(job: Job, options: FileOptions) -> frozenset[str]:
    """Return the outputs of a job as case-insensitive file systems compare them."""
    return frozenset(str(path).casefold() for path in job.outputs(options))
