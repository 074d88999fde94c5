"""Run TensorRT's builder with a progress bar, in a thread, so that Ctrl-C can end it."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

from .interrupts import Interrupts
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


def build_plan(
    api: Api,
    builder: Any,  # noqa: ANN401
    network: Any,  # noqa: ANN401
    made: Any,  # noqa: ANN401
    interrupts: Interrupts,
) -> bytes:
    """Build a serialized engine.

    TensorRT works in a thread of its own. Python handles signals in the main thread, and
    between two of its own instructions: in a call of minutes it would never come to that.

    Args:
        api: the flavour of TensorRT.
        builder: TensorRT's.
        network: as parsed.
        made: TensorRT's configuration.
        interrupts: the build ends at its next step when one came.

    Returns:
        The plan.

    Raises:
        EngineError: TensorRT built nothing.
    """
    progress = _Progress()
    if api.has("IBuilderConfig", "progress_monitor"):
        made.progress_monitor = _monitor(api, progress, interrupts)
    api.log.clear()
    with progress:
        plan = in_thread(lambda: builder.build_serialized_network(network, made))
    if plan is None:
        reason = api.log.reason()
        raise api.failure("built no engine", remedy_for(reason))
    return bytes(memoryview(plan))


def remedy_for(reason: str) -> str:
    """Say what helps against a failure of the builder.

    Args:
        reason: what it said.

    Returns:
        A sentence.
    """
    said = reason.lower()
    return next((text for key, text in _REMEDIES if key in said), _OTHERWISE)


def in_thread(work: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Do the work in a thread, so that the main one goes on handling signals.

    Args:
        work: takes nothing.

    Returns:
        What it returns.

    Raises:
        BaseException: what it raises.
    """
    returned: list[Any] = []
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            returned.append(work())
        except BaseException as error:  # raised again below, in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
    if failed:
        raise failed[0]
    return returned[0]


class _Progress:
    """A bar that counts the builder's steps, on a terminal."""

    def __init__(self) -> None:
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


def _monitor(api: Api, progress: _Progress, interrupts: Interrupts) -> Any:  # noqa: ANN401
    """Connect the bar with TensorRT, whose calls may not raise."""

    class Monitor(api.trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            api.trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            progress.start(phase, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            progress.step(phase)
            return not interrupts.came

        def phase_finish(self, phase: str) -> None:
            progress.finish(phase)

    return Monitor()
