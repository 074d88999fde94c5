"""Run TensorRT's builder: with a progress bar, and so that Ctrl-C ends it at once and cleanly."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from .tensorrt_api import Api

_POLL_S = 0.1  # how soon an interrupt is noticed
# What the builder says, in lower case, and what helps. All but the memory were seen in 1.7 of
# TensorRT for RTX.
_REMEDIES: Final = (
    ("workspace", "Raise --workspace, or leave it out."),
    ("turing", "Leave sm_75 out of --targets: it cannot compile CSA's float32 products for it."),
    ("cuda_success", "This needs a GPU at build time: leave --refit and --strip-weights out."),
    ("memory", "Lower --workspace, the largest --batch or the largest --size."),
)
_OTHERWISE: Final = "Report this with what it printed and with what `csakit doctor` prints."


def build_plan(api: Api, builder: Any, network: Any, made: Any) -> bytes:  # noqa: ANN401
    """Build a serialized engine.

    TensorRT works in a thread of its own. Python handles signals in the main thread, and
    between two of its own instructions: in a call of minutes it would never come to that.

    Args:
        api: the flavour of TensorRT.
        builder: TensorRT's.
        network: as parsed.
        made: TensorRT's configuration.

    Returns:
        The plan.

    Raises:
        EngineError: TensorRT built nothing.
        KeyboardInterrupt: after the builder has ended.
    """
    progress = _Progress()
    if api.has("IBuilderConfig", "progress_monitor"):
        made.progress_monitor = _monitor(api, progress)
    api.log.clear()
    done: list[Any] = []
    with progress:
        interrupted = _in_thread(
            lambda: done.append(builder.build_serialized_network(network, made)), progress.cancel
        )
    if interrupted:
        raise KeyboardInterrupt
    if not done or done[0] is None:
        said = api.log.reason().lower()
        remedy = next((text for key, text in _REMEDIES if key in said), _OTHERWISE)
        raise api.failure("built no engine", remedy)
    return bytes(memoryview(done[0]))


def _in_thread(work: Callable[[], object], cancel: Callable[[], None]) -> bool:
    """Do the work in a thread and wait; return whether Ctrl-C was pressed meanwhile."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    handler, interrupted = signal.getsignal(signal.SIGINT), False
    while True:
        try:
            while thread.is_alive():
                thread.join(_POLL_S)
            break
        except KeyboardInterrupt:  # comes in the main thread only, where handlers can be set
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next one ends the process
            interrupted = True
            cancel()
    if interrupted:
        signal.signal(signal.SIGINT, handler)
    elif failed:
        raise failed[0]
    return interrupted


class _Progress:
    """A bar that counts the builder's steps, on a terminal; and the wish to stop."""

    def __init__(self) -> None:
        self.cancelled = False
        self._bar: Any = None
        self._left: dict[str, int] = {}

    def __enter__(self) -> "_Progress":
        with contextlib.suppress(ModuleNotFoundError):
            from tqdm import tqdm

            self._bar = tqdm(total=0, unit="step", disable=None, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def cancel(self) -> None:
        """End the build at its next step."""
        self.cancelled = True
        print("stopping at the builder's next step", file=sys.stderr)

    def start(self, phase: str, steps: int) -> None:
        self._left[phase] = steps
        if self._bar is not None:
            self._bar.total += steps
            self._bar.set_description(phase)

    def step(self, phase: str) -> None:
        self._left[phase] = self._left.get(phase, 1) - 1
        if self._bar is not None:
            self._bar.update()

    def finish(self, phase: str) -> None:
        left = self._left.pop(phase, 0)
        if self._bar is not None:
            self._bar.update(max(left, 0))


def _monitor(api: Api, progress: _Progress) -> Any:  # noqa: ANN401
    """Connect the bar with TensorRT, whose calls may not raise."""

    class Monitor(api.trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            api.trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            progress.start(phase, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            progress.step(phase)
            return not progress.cancelled

        def phase_finish(self, phase: str) -> None:
            progress.finish(phase)

    return Monitor()
