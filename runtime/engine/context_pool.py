"""A pool of execution contexts, shared by threads, shapes and pending calls.

A call takes, in this order: a context of its shape that is idle; a new context, up to the limit;
the second buffers of a busy context of its shape; the place of an idle context of another shape.
Otherwise the pool completes the oldest pending call, so an uncollected result never blocks another
caller.
"""

import collections
import contextlib
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


class InferenceFuture(Generic[T]):
    """One call; any thread may ask for its result, as often as it likes."""

    def __init__(
        self,
        pool: "ContextPool",
        context: ExecutionContext,
        buffers: StagingBuffers,
        finish: Callable[[Array], T],
    ) -> None:
        self.context = context
        self.buffers = buffers
        self._pool = pool
        self._finish = finish
        self._completing = threading.Lock()
        self._finishing = threading.Lock()  # apart: the pool does not wait for a conversion
        self._answer: Array | None = None
        self._error: EngineError | None = None
        self._result: T | None = None

    @property
    def done(self) -> bool:
        """Whether ``result`` would not wait for the GPU."""
        if self._answer is not None or self._error is not None:
            return True
        if not self._completing.acquire(blocking=False):  # another thread waits for it
            return False
        try:
            with self._pool.device.current():
                return self._answer is not None or self.buffers.done.done
        finally:
            self._completing.release()

    def complete(self) -> Array:
        """Wait for the answer the first time, free the buffers; return the answer."""
        with self._completing:
            if self._answer is None and self._error is None:
                try:
                    with self._pool.device.current():
                        self._answer = self.context.finish(self.buffers)
                except EngineError as error:
                    self._error = error
                self._pool.release(self)
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer

    def result(self) -> T:
        """Wait for the result: the same array each time, which no other call writes to."""
        with self._finishing:
            if self._result is None:
                self._result = self._finish(self.complete())
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
        self._pending: collections.deque[InferenceFuture[Any]] = collections.deque()
        self._being_made = 0
        self._closed = False

    def start(self, shape: CallShape, inputs: ModelInputs[T]) -> InferenceFuture[T]:
        """Start a call."""
        context, buffers = self._take(shape)
        future = InferenceFuture(self, context, buffers, inputs.finish)
        try:
            with self.device.current():
                context.start(buffers, inputs.image, inputs.mask)
        except BaseException:
            self._discard(context, buffers)
            raise
        with self._changed:
            self._pending.append(future)
            self._changed.notify_all()
        return future

    def prepare(self, shape: CallShape) -> None:
        """Create a context for a shape that has none yet, so that no call waits for it."""
        _, buffers = self._take(shape)
        with self._changed:
            buffers.taken = False
            self._changed.notify_all()

    def release(self, future: InferenceFuture[Any]) -> None:
        """Take the buffers of a finished call back."""
        with self._changed:
            future.buffers.taken = False
            with contextlib.suppress(ValueError):  # another thread has it in work already
                self._pending.remove(future)
            self._changed.notify_all()

    def close(self) -> None:
        """Complete what is pending, then free all contexts. Calling twice is harmless."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while True:
            while self._complete_oldest():
                pass
            with self._changed:
                contexts = self._contexts
                if not self._being_made and not self._pending and all(x.idle for x in contexts):
                    self._contexts = []
                    break
                self._changed.wait()  # other threads have just begun
        for context in contexts:
            with self.device.current():
                context.close()

    def _take(self, shape: CallShape) -> tuple[ExecutionContext, StagingBuffers]:
        """Take free buffers, and make whatever is needed for that."""
        while True:
            with self._changed:
                if self._closed:
                    raise EngineError("the session is closed; open it again")
                if found := self._find(shape):
                    return found
                full = len(self._contexts) + self._being_made >= self._limit
                victim = self._drop_idle() if full else None
                crowded = full and victim is None
                if not crowded:
                    self._being_made += 1
                elif not self._pending:  # others are filling or making theirs
                    self._changed.wait()
                    continue
            if crowded:
                self._complete_oldest()
            elif found := self._create(shape, victim):
                return found

    def _find(self, shape: CallShape) -> tuple[ExecutionContext, StagingBuffers] | None:
        """Find free buffers of an idle context, or where no context may be made, of a busy one."""
        mine = [context for context in self._contexts if context.shape == shape]
        full = len(self._contexts) + self._being_made >= self._limit
        for context in sorted(mine, key=lambda context: not context.idle):
            free = [buffers for buffers in context.staging if not buffers.taken]
            if free and (full or context.idle):
                free[0].taken = True
                return context, free[0]
        return None

    def _drop_idle(self) -> ExecutionContext | None:
        """Take the oldest idle context out of use, under the lock; the caller closes it."""
        victim = next((context for context in self._contexts if context.idle), None)
        if victim is not None:
            self._contexts.remove(victim)
        return victim

    def _create(
        self, shape: CallShape, victim: ExecutionContext | None
    ) -> tuple[ExecutionContext, StagingBuffers] | None:
        """Create a context; None where the one that is there has to do."""
        context = None
        try:
            with self.device.current():
                if victim is not None:
                    victim.close()
                context = self._make_or_make_room(shape)
        finally:
            with self._changed:
                self._being_made -= 1
                if context is not None:
                    context.staging[0].taken = True
                    self._contexts.append(context)
                self._changed.notify_all()
        return None if context is None else (context, context.staging[0])

    def _make_or_make_room(self, shape: CallShape) -> ExecutionContext | None:
        """Create a context; without memory for it, close idle ones or use what is there."""
        while True:
            try:
                return self._make(shape)
            except OutOfMemoryError as error:
                with self._changed:
                    if (victim := self._drop_idle()) is None:
                        if all(context.shape != shape for context in self._contexts):
                            raise self._out_of_memory(shape, error) from error
                        self._limit = len(self._contexts)
                        text = "the GPU has no memory for a context more than these %d: %s"
                        logger.warning(text, self._limit, error)
                        return None
                victim.close()

    def _out_of_memory(self, shape: CallShape, error: OutOfMemoryError) -> OutOfMemoryError:
        free, total = (size / 2**20 for size in self.device.memory())
        return OutOfMemoryError(
            *(error.call, error.name, error.text),
            f"GPU {self.device.number} has too little memory for {shape}: {error}; {free:.0f} of "
            f"{total:.0f} MiB are free\nRun smaller batches or sizes, or end what else uses the "
            "GPU: nvidia-smi",
        )

    def _discard(self, context: ExecutionContext, buffers: StagingBuffers) -> None:
        """Take a context that failed out of use; its pending calls can still be completed."""
        with self._changed:
            buffers.taken = False
            if context in self._contexts:
                self._contexts.remove(context)
            others = [future for future in self._pending if future.context is context]
            self._changed.notify_all()
        for future in others:
            with contextlib.suppress(EngineError):
                future.complete()
        with contextlib.suppress(EngineError), self.device.current():
            context.close()

    def _complete_oldest(self) -> bool:
        """Complete the call that was started first; its owner gets the answer or the error."""
        with self._changed:
            if not self._pending:
                return False
            future = self._pending[0]
        with contextlib.suppress(EngineError):
            future.complete()
        return True
