"""Repair a folder on a Ray cluster: each worker holds a model and takes jobs in chunks.

Ray Core, not Ray Data: jobs are file names, so Data's blocks would carry nothing, and Data has no
lazy listing, no failure per image, and no overwriting of only what a lost worker wrote.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import logging
import math
import re
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError, CsakitError, EngineError, ResourceError
from ..files.atomic import sha256
from ..libraries import import_ray
from .job import Job
from .pipeline import Outcome
from .ray_cluster import LOCAL, RayOptions, Share
from .ray_worker import ChunkResult, Opened, Settings, Worker, model_files

logger = logging.getLogger(__name__)

_CHUNK_SECONDS: Final = 5  # a lost worker loses this much; shorter chunks overlap less
_CHUNK_MAX: Final = 64
_AHEAD: Final = 2  # chunks per worker: one in work, one waiting
_ROOM_SECONDS: Final = 10
_STOP_SECONDS: Final = 10
_DEATHS: Final = 2  # lost workers that had this job alone, before it is skipped
_LOSSES: Final = 3  # workers lost in a row without a result, before the run fails


@dataclasses.dataclass(eq=False)
class _Member:
    """The driver's record of a worker."""

    actor: Any
    host: str = ""
    pid: int = 0
    ready: bool = False
    repaired: int = 0
    seconds: float = 0.0

    @property
    def chunk_size(self) -> int:
        """Number of jobs that take the worker a few seconds."""
        if not self.repaired:
            return 1
        return max(1, min(_CHUNK_MAX, round(_CHUNK_SECONDS * self.repaired / self.seconds)))


@dataclasses.dataclass(frozen=True)
class _Chunk:
    """Jobs that are sent to a worker together."""

    jobs: list[Job]
    again: bool = False  # a lost worker had them: its outputs may exist
    deaths: int = 0


class RayPool:
    """The workers of one run, replaced when they are lost."""

    def __init__(self, settings: Settings, share: Share) -> None:
        """Prepare a pool on the connected cluster; workers start with the first jobs."""
        self._ray = import_ray()
        self._settings = settings
        self._share = share
        self._actor = self._ray.remote(num_cpus=share.cpus, num_gpus=share.gpus)(Worker)
        self._members: list[_Member] = []
        self._lost: list[_Member] = []
        self._running: dict[Any, tuple[_Member, _Chunk | None]] = {}  # None: it opens the model
        self._retries: collections.deque[_Chunk] = collections.deque()
        self._losses = 0

    def repair_files(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Yield outcomes as jobs complete; raise an error of any worker that ends the run."""
        waiting = iter(jobs)
        first = list(itertools.islice(waiting, self._share.workers))
        if not first:
            return
        waiting = itertools.chain(first, waiting)
        deadline = time.monotonic() + _ROOM_SECONDS
        try:
            for _ in first:
                self._start()
            while True:
                yield from self._dispatch(waiting)
                idle = not self._retries and all(part is None for _, part in self._running.values())
                if idle and any(member.ready for member in self._members):
                    return
                done, _ = self._ray.wait(list(self._running), timeout=1)
                for ref in done:
                    if ref in self._running:
                        yield from self._collect(ref)
                if time.monotonic() > deadline:
                    deadline = math.inf
                    if not any(member.ready for member in (*self._members, *self._lost)):
                        text = (
                            "no worker is ready after %d s: they open the model, or the cluster "
                            "has no room for %s"
                        )
                        logger.warning(text, _ROOM_SECONDS, self._share)
        finally:
            self._stop()

    def throughput(self) -> list[str]:
        """Return a line per worker with its speed."""
        return [
            f"worker {member.pid} on {member.host}: {member.repaired} images, "
            f"{member.repaired / member.seconds:.2f} per second"
            for member in (*self._lost, *self._members)
            if member.repaired
        ]

    def _start(self) -> None:
        member = _Member(self._actor.remote())
        self._members.append(member)
        self._running[member.actor.open.remote(self._settings, None)] = (member, None)

    def _dispatch(self, waiting: Iterator[Job]) -> Iterator[Outcome]:
        for round_ in range(_AHEAD):
            for member in self._members:
                has = sum(one is member for one, _ in self._running.values())
                if not member.ready or has > round_:
                    continue
                if self._retries:
                    chunk = self._retries.popleft()
                else:
                    chunk = _Chunk([])
                    while len(chunk.jobs) < member.chunk_size and (job := next(waiting, None)):
                        if (problem := self._problem(job)) is None:
                            chunk.jobs.append(job)
                        else:
                            yield Outcome(job=job, repaired=None, problem=problem)
                if chunk.jobs:
                    files = self._settings.files
                    if chunk.again:
                        files = dataclasses.replace(files, overwrite=True)
                    ref = member.actor.repair.remote(chunk.jobs, files)
                    self._running[ref] = (member, chunk)

    def _problem(self, job: Job) -> ContractError | None:
        """Return why a job may not write; checked before the first try: retries may overwrite."""
        try:
            if not self._settings.files.overwrite:
                job.check(self._settings.files)
        except ContractError as error:
            return error
        return None

    def _collect(self, ref: Any) -> Iterator[Outcome]:  # noqa: ANN401
        member = self._running[ref][0]
        try:
            answer = self._ray.get(ref)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            yield from self._replace(member, _reason(error))
            return
        del self._running[ref]
        if answer is None:
            self._running[member.actor.open.remote(self._settings, self._sent)] = (member, None)
        elif isinstance(answer, Opened):
            member.ready, member.host, member.pid = True, answer.host, answer.pid
        elif isinstance(answer, CsakitError):
            raise answer
        elif isinstance(answer, ChunkResult):
            self._losses = 0
            member.repaired += len(answer.outcomes)
            member.seconds += answer.seconds
            yield from answer.outcomes
            if answer.failure is not None:
                raise answer.failure

    def _replace(self, member: _Member, reason: str) -> Iterator[Outcome]:
        """Start a worker in place of a lost one, and requeue the chunks of that one."""
        chunks_lost = [part for one, part in self._running.values() if one is member and part]
        self._running = {ref: own for ref, own in self._running.items() if own[0] is not member}
        self._members.remove(member)
        self._lost.append(member)
        with contextlib.suppress(Exception):  # it may only be unreachable
            self._ray.kill(member.actor)
        self._losses += 1
        if self._losses >= _LOSSES:
            raise EngineError(f"{_LOSSES} workers ended before they repaired anything: {reason}")
        for index, chunk in enumerate(chunks_lost):
            if index:  # not begun yet
                self._retries.append(chunk)
                continue
            deaths = chunk.deaths + (len(chunk.jobs) == 1)
            if deaths < _DEATHS:
                self._retries.extend(_Chunk([job], True, deaths) for job in chunk.jobs)
            else:
                self._losses = 0
                problem = ResourceError(f"the worker ended twice while it repaired this: {reason}")
                yield Outcome(job=chunk.jobs[0], repaired=None, problem=problem)
        count = sum(len(chunk.jobs) for chunk in chunks_lost)
        logger.warning(
            "worker %s on %s ended and is replaced; its %d images are repaired again: %s",
            *(member.pid, member.host or "a machine of the cluster", count, reason),
        )
        self._start()

    @functools.cached_property
    def _sent(self) -> dict[str, Any]:
        """References to the model's files in the object store."""
        files = model_files(self._settings.model)
        return {path.name: self._ray.put(path.read_bytes()) for path in files}

    def _stop(self) -> None:
        """Stop the workers; busy ones finish the file that they are writing."""
        busy = [ref for ref, (_, chunk) in self._running.items() if chunk is not None]
        with contextlib.suppress(Exception):  # the cluster may be gone
            for ref in busy:
                self._ray.cancel(ref)
            if busy:
                self._ray.wait(busy, num_returns=len(busy), timeout=_STOP_SECONDS)
            for member in self._members:
                self._ray.kill(member.actor)
        self._running.clear()


def model_hashes(model: Path | None, options: RayOptions) -> dict[str, str] | None:
    """Return the SHA-256 of the model's files, for workers that may not see these files."""
    files = model_files(model)
    return None if options.address == LOCAL else {path.name: sha256(path) for path in files}


def _reason(error: Exception) -> str:
    """Return Ray's reason for a worker's end, shortened."""
    text = " ".join(str(error).split())
    if found := re.search(r"(ModuleNotFoundError: [^\n]*?'[^']+')", text):
        return f"{found[1]}; install csakit[ray] there"
    if found := re.search(r"Worker exit detail: ([^.]+)", text):
        return found[1]
    return text.partition(". ")[0][:200]
