"""Ctrl-C is noticed, comes late, and is given back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from csakit.export.engine.builder import Interrupts, build_plan
from csakit.runtime.cli.command import guard


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Heed SIGINT, which is ignored in what a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(then: Callable[[Interrupts], object]) -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        then(interrupts)


def test_an_interrupt_is_raised_at_the_end_of_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    came = []

    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda interrupts: came.append(interrupts.came))

    assert came == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "stopping at the next step" in capsys.readouterr().err


def test_what_the_interrupted_block_raises_is_an_interrupt() -> None:
    def fail(_: Interrupts) -> None:
        raise ValueError("cancelled")

    with pytest.raises(KeyboardInterrupt):
        interrupted(fail)


def test_a_second_interrupt_ends_the_process() -> None:
    handlers = []

    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda _: handlers.append(signal.getsignal(signal.SIGINT)))

    assert handlers == [signal.SIG_DFL]


def test_without_interrupt_nothing_happens() -> None:
    with Interrupts() as interrupts:
        pass

    assert not interrupts.came
    with pytest.raises(ValueError, match="as it was"), Interrupts():
        raise ValueError("as it was")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_interrupt_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)

    assert not interrupts.came
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def work() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [signal.default_int_handler]


def test_a_request_to_terminate_does_not_wait_for_the_builder() -> None:
    module = SimpleNamespace(has=lambda *_: False, log=SimpleNamespace(clear=lambda: None))
    go_on, ended = threading.Event(), threading.Event()

    class Builder:
        def build_serialized_network(self, *_: object) -> None:
            time.sleep(0.2)  # until the main thread waits
            os.kill(os.getpid(), signal.SIGTERM)
            go_on.wait(20)
            ended.set()

    def work() -> int:
        with Interrupts() as interrupts:
            build_plan(module, Builder(), None, None, interrupts)
        return 0

    code = guard("csakit build", work)
    still_building = not ended.is_set()
    go_on.set()

    assert (code, still_building) == (128 + signal.SIGTERM, True)
