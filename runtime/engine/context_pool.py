"""A pool of execution contexts, shared by threads, shapes and pending calls.

A call takes, in this order: a context of its shape that is idle; a new context, up to the limit;
the second buffers of a busy context of its shape; the place of an idle context of another shape.
Otherwise the pool completes the oldest pending call, so an uncollected result never blocks another
caller.
"""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ...plugins.errors import EngineError
from ..device.binding import OutOfMemoryError
from ..device.device import Device
from ..tensors.conversion import Array, ModelInputs
from .context import ExecutionContext, StagingBuffers
from .shapes import CallShape

T = TypeVar("T", bound=Array)

logger = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class InferenceFuture(Generic[T]):
    """A future for one inference call; any thread may get its result, repeatedly."""

    pool: "ContextPool"
    buffers: StagingBuffers
    finish: Callable[[Array], T]  # makes the result of the model's answer
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _answer: Array | EngineError | None = None  # the model's output
    _result: T | None = None

    @property
    def done(self) -> bool:
        """Whether ``result`` returns without waiting for the GPU."""
        if self._answer is not None:
            return True
        if not self._lock.acquire(blocking=False):  # another thread waits for it
            return False
        try:
            with self.pool.device.current():
                return self._answer is not None or self.buffers.done.done
        finally:
            self._lock.release()

    def complete(self) -> Array:
        """Return the model's answer; wait for it and free the buffers the first time."""
        with self._lock:
            if self._answer is None:
                try:
                    with self.pool.device.current():
                        self.buffers.done.wait()
                        self._answer = self.buffers.result.copy()
                except EngineError as error:
                    self._answer = error
                self.pool.release(self)
        if isinstance(self._answer, EngineError):
            raise self._answer
        return self._answer

    def result(self) -> T:
        """Wait for the result and return it: the same array each time, used by no other call."""
        answer = self.complete()
        if self._result is None:
            result = self.finish(answer)  # without the lock, on which the pool may wait
            with self._lock:
                if self._result is None:
                    self._result = result
        return self._result


class ContextPool:
    """See the module; ``make`` creates a context with the device current."""

    def __init__(
        self, device: Device, make: Callable[[CallShape], ExecutionContext], limit: int
    ) -> None:
        self.device = device
        self._make = make
        self._limit = limit
        self._changed = threading.Condition()
        self._contexts: list[ExecutionContext] = []
        self._pending: list[InferenceFuture[Any]] = []  # the oldest first
        self._in_work = 0  # contexts being created or freed
        self._closed = False

    def start(self, shape: CallShape, inputs: ModelInputs[T]) -> InferenceFuture[T]:
        """Start a call."""
        buffers = self._take(shape)
        future = InferenceFuture(self, buffers, inputs.finish)
        try:
            with self.device.current():
                buffers.context.start(buffers, inputs.image, inputs.mask)
        except BaseException:
            self._discard(buffers)
            raise
        with self._changed:
            self._pending.append(future)
            self._changed.notify_all()
        return future

    def prepare(self, shape: CallShape) -> None:
        """Create a context for a shape that has none yet, so that no call waits for it."""
        buffers = self._take(shape)
        with self._changed:
            buffers.taken = False
            self._changed.notify_all()

    def release(self, future: InferenceFuture[Any]) -> None:
        """Take back the buffers of a completed call."""
        with self._changed:
            future.buffers.taken = False
            self._pending.remove(future)
            self._changed.notify_all()

    def close(self) -> None:
        """Complete all calls that were begun, then free all contexts. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._in_work)
            contexts, self._contexts = self._contexts, []
        for context in contexts:
            self._free(context)

    def _take(self, shape: CallShape) -> StagingBuffers:
        """Take free buffers; create a context or complete a call where there are none."""
        while True:
            with self._changed:
                if self._closed:
                    raise EngineError("the session is closed; open it again")
                if found := self._find(shape):
                    return found
                full, victim, oldest = self._is_full(), None, None
                if not full or (victim := self._drop_idle()):
                    self._in_work += 1
                elif self._pending:
                    oldest = self._pending[0]
                else:  # other threads are filling buffers or creating contexts
                    self._changed.wait()
                    continue
            if oldest is not None:
                _complete(oldest)
            elif found := self._create(shape, victim):
                return found

    def _is_full(self) -> bool:
        """Report whether no more contexts may be created; under the lock."""
        return len(self._contexts) + self._in_work >= self._limit

    def _find(self, shape: CallShape) -> StagingBuffers | None:
        """Return free buffers of an idle context, or, if the pool is full, of a busy one."""
        mine = [context for context in self._contexts if context.shape == shape]
        for context in sorted(mine, key=lambda context: not context.idle):
            free = [buffers for buffers in context.staging if not buffers.taken]
            if free and (context.idle or self._is_full()):
                free[0].taken = True
                return free[0]
        return None

    def _drop_idle(self) -> ExecutionContext | None:
        """Remove the oldest idle context, under the lock; the caller closes it."""
        victim = next((context for context in self._contexts if context.idle), None)
        if victim is not None:
            self._contexts.remove(victim)
        return victim

    def _create(self, shape: CallShape, victim: ExecutionContext | None) -> StagingBuffers | None:
        """Create a context; None where memory allows no more than the present ones."""
        context = None
        try:
            with self.device.current():
                context = self._make_with_room(shape, victim)
        finally:
            with self._changed:
                self._in_work -= 1
                if context is not None:
                    context.staging[0].taken = True
                    self._contexts.append(context)
                self._changed.notify_all()
        return None if context is None else context.staging[0]

    def _make_with_room(
        self, shape: CallShape, victim: ExecutionContext | None
    ) -> ExecutionContext | None:
        """Create a context; without memory for it, close idle ones or do with the present ones."""
        while True:
            if victim is not None:
                victim.close()
            try:
                return self._make(shape)
            except OutOfMemoryError as error:
                with self._changed:
                    if (victim := self._drop_idle()) is None:
                        if all(context.shape != shape for context in self._contexts):
                            raise self._out_of_memory(shape, error) from error
                        self._limit = len(self._contexts)
                        text = "the GPU has no memory for another context beside these %d: %s"
                        logger.warning(text, self._limit, error)
                        return None

    def _out_of_memory(self, shape: CallShape, error: OutOfMemoryError) -> OutOfMemoryError:
        free, total = (size / 2**20 for size in self.device.memory())
        return OutOfMemoryError(
            *(error.call, error.name, error.text),
            f"GPU {self.device.number} has too little memory for {shape}: {error}; {free:.0f} of "
            f"{total:.0f} MiB are free\nRun smaller batches or sizes, or end what else uses the "
            "GPU: nvidia-smi",
        )

    def _discard(self, buffers: StagingBuffers) -> None:
        """Remove a failed context, and free it."""
        context = buffers.context
        with self._changed:
            buffers.taken = False
            self._changed.notify_all()
            if context not in self._contexts:  # the thread that removed it frees it
                return
            self._contexts.remove(context)
            self._in_work += 1
        try:
            self._free(context)
        finally:
            with self._changed:
                self._in_work -= 1
                self._changed.notify_all()

    def _free(self, context: ExecutionContext) -> None:
        """Complete the calls of a context that no new call may take, then free it."""
        while not context.idle:
            with self._changed:
                calls = [one for one in self._pending if one.buffers.context is context]
                if not calls and not context.idle:  # another thread is filling buffers
                    self._changed.wait()
            for call in calls:
                _complete(call)
        with contextlib.suppress(EngineError), self.device.current():
            context.close()


def _complete(future: InferenceFuture[Any]) -> None:
    """Complete a call; its owner gets the answer or the error."""
    with contextlib.suppress(EngineError):
        future.complete()
