"""Run TensorRT's builder: progress bar, Ctrl-C, and the timing cache.

TensorRT calls Python from C++ to log and to report progress, and a KeyboardInterrupt raised in
such a call crashes the process. So while TensorRT works, Ctrl-C sets a flag that the builder reads.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from tqdm import tqdm

from ...plugins.errors import EngineError
from ...runtime.engine.tensorrt_module import TensorRTModule, plain
from ...runtime.files.atomic import atomic_write

# Keywords of the builder's errors, in lower case, and the remedies. All but "memory" were seen
# with TensorRT for RTX 1.7.
_REMEDIES: Final = (
    ("workspace", "Raise --workspace, or leave it out."),
    ("turing", "Leave sm_75 out of --targets: it cannot compile CSA's float32 products for it."),
    ("cuda_success", "This needs a GPU at build time: leave --refit and --strip-weights out."),
    ("memory", "Lower --workspace, the largest --batch or the largest --size."),
)
_OTHERWISE: Final = "Report this with what it printed and with what `csakit doctor` prints."


class Interrupts:
    """Defers Ctrl-C to the end of the block, where it raises KeyboardInterrupt; a second one kills.

    Outside of the main thread, and where the process ignores Ctrl-C, it changes nothing.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        """Install the signal handler."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and before != signal.SIG_IGN:
            self._before = before
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        """Restore Ctrl-C; raise KeyboardInterrupt if it was pressed, whatever the block raised."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.came:
            raise KeyboardInterrupt from None

    def _take(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.came = True
        print("stopping at the next step; again ends at once", file=sys.stderr)


def build_plan(
    module: TensorRTModule,
    builder: Any,  # noqa: ANN401
    network: Any,  # noqa: ANN401
    builder_config: Any,  # noqa: ANN401
    interrupts: Interrupts,
) -> bytes:
    """Build a serialized engine in a thread, so that the main thread keeps handling signals."""
    built: Future[Any] = Future()

    def build() -> None:
        try:
            built.set_result(builder.build_serialized_network(network, builder_config))
        except BaseException as error:
            built.set_exception(error)

    module.log.clear()
    with _progress(module, builder_config, interrupts):
        threading.Thread(target=build, daemon=True).start()  # no pool: SIGTERM would wait for it
        plan = built.result()
    if plan is None:
        reason = module.log.reason()
        raise module.failure("built no engine", remedy_for(reason))
    return bytes(memoryview(plan))


@contextlib.contextmanager
def timing_cache(module: TensorRTModule, builder_config: Any, path: Path | None) -> Iterator[None]:  # noqa: ANN401
    """Use the timing cache in ``path``, if it exists, and update it on success."""
    if path is None:
        yield
        return
    # opened first, so that an unwritable path fails before the work
    with atomic_write(path) as file:
        known = path.read_bytes() if path.is_file() else b""
        module.log.clear()
        cache = builder_config.create_timing_cache(known)
        # TensorRT replaces a damaged cache by an empty one and only logs a warning.
        damaged = [text for text in module.log.complaints() if "deserialize timing cache" in text]
        if damaged or cache is None or not builder_config.set_timing_cache(cache, False):
            reason = plain(damaged[0]) if damaged else module.log.reason()
            raise EngineError(
                f"{module.title} rejects the timing cache {path}: {reason}\n"
                "It is damaged, or of another GPU or version; name another file, or delete it."
            )
        yield
        file.write_bytes(memoryview(builder_config.get_timing_cache().serialize()))


def remedy_for(reason: str) -> str:
    """Return the remedy for an error of the builder."""
    lower = reason.lower()
    return next((text for key, text in _REMEDIES if key in lower), _OTHERWISE)


@contextlib.contextmanager
def _progress(
    module: TensorRTModule,
    builder_config: Any,  # noqa: ANN401
    interrupts: Interrupts,
) -> Iterator[None]:
    """Show the builder's progress on a terminal; stop the build after an interrupt."""
    if not module.has("IBuilderConfig", "progress_monitor"):
        yield
        return
    left: dict[str, int] = {}  # steps by phase
    with tqdm(total=0, unit="step", disable=None, leave=False) as bar:

        class Monitor(module.trt.IProgressMonitor):  # type: ignore[name-defined, misc]
            """Progress callbacks for TensorRT, which must not raise."""

            def __init__(self) -> None:
                module.trt.IProgressMonitor.__init__(self)

            def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
                left[phase] = steps
                bar.total += steps
                bar.set_description(phase)

            def step_complete(self, phase: str, step: int) -> bool:
                left[phase] = left.get(phase, 1) - 1
                bar.update()
                return not interrupts.came

            def phase_finish(self, phase: str) -> None:
                bar.update(max(left.pop(phase, 0), 0))

        builder_config.progress_monitor = Monitor()
        yield
