"""What goes wrong around an engine, and what can still be done afterwards."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime.device.binding import CudaError, OutOfMemoryError
from helpers.fake_driver import FakeDriver

from .conftest import OpenSession

pytestmark = pytest.mark.gpu
MIB = 1 << 20

IMAGE = np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 256, 256, 3)
HOLE = (IMAGE[..., :1] > 99).astype(np.uint8)
EXPECTED = np.where(HOLE != 0, 255 - IMAGE, IMAGE)


def test_closing_keeps_results_and_twice_is_harmless(open_session: OpenSession) -> None:
    session, _ = open_session()
    futures = [session.submit(IMAGE, HOLE) for _ in range(3)]

    session.close()
    session.close()

    for future in futures:
        assert future.done
        np.testing.assert_array_equal(future.result(), EXPECTED)
    for call in (lambda: session.run_uint8(IMAGE, HOLE), lambda: session.prepare(1, (256, 256))):
        with pytest.raises(EngineError, match="the session is closed; open it again"):
            call()


def test_closing_frees_everything(open_session: OpenSession, fake: FakeDriver) -> None:
    before = fake.live
    session, engine = open_session(contexts=3)
    engine.scratch = 4096
    for _ in range(6):
        session.submit(IMAGE, HOLE)

    session.close()

    assert fake.live <= before
    assert fake.violations == 0


def test_a_session_that_is_closed_while_threads_use_it_ends_each_call_well(
    open_session: OpenSession,
) -> None:
    session, _ = open_session(contexts=2)
    begun, problems = threading.Barrier(4), []

    def work() -> None:
        begun.wait()
        try:
            while True:
                assert (session.run_uint8(IMAGE, HOLE) == EXPECTED).all()
        except EngineError as error:
            problems.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    session.run_uint8(IMAGE, HOLE)
    session.close()
    for thread in threads:
        thread.join(60)

    assert problems == ["the session is closed; open it again"] * 3


def test_closing_waits_for_a_call_that_another_thread_has_begun(open_session: OpenSession) -> None:
    session, engine = open_session(cuda_graph=False)
    session.run_uint8(IMAGE, HOLE)
    engine.gate.clear()  # from here on enqueueing waits

    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(session.run_uint8, IMAGE, HOLE)
        assert engine.reached.wait(30)
        closing = threads.submit(session.close)
        again = threading.Thread(target=session.close)
        again.start()
        begun = wait([closing], timeout=0.3).done
        engine.gate.set()

        assert not begun
        np.testing.assert_array_equal(call.result(timeout=30), EXPECTED)
        closing.result(timeout=30)
        again.join(30)
        assert not again.is_alive()


def test_a_context_that_gives_its_place_up_is_freed(
    open_session: OpenSession, fake: FakeDriver
) -> None:
    session, engine = open_session(contexts=1)
    wide = np.concatenate([IMAGE, IMAGE], axis=2)
    session.run_uint8(IMAGE, HOLE)
    before = fake.live

    for _ in range(3):
        session.run_uint8(wide, wide[..., :1])
        session.run_uint8(IMAGE, HOLE)

    assert fake.live == before
    assert len(engine.made) == 7


def test_too_little_memory_is_told_and_smaller_calls_still_run(
    open_session: OpenSession, fake: FakeDriver
) -> None:
    session, _ = open_session()
    fake.limit(8 * MIB)
    large = np.zeros((4, 1024, 1024, 3), np.uint8)
    text = (
        r"GPU 0 has too little memory for B=4, 1024 x 1024 \(width x height\): cuMemAlloc "
        r"failed with CUDA_ERROR_OUT_OF_MEMORY: out of memory; 8 of 8 MiB are free\n"
        r"Run smaller batches or sizes, or end what else uses the GPU: nvidia-smi"
    )
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match=text):
            session.run_uint8(large, large[..., :1])
        np.testing.assert_array_equal(session.run_uint8(IMAGE, HOLE), EXPECTED)


def test_contexts_of_other_shapes_make_room(open_session: OpenSession, fake: FakeDriver) -> None:
    session, engine = open_session(contexts=4)
    engine.scratch = 5 * MIB
    fake.limit(8 * MIB)
    wide = np.concatenate([IMAGE, IMAGE], axis=2)
    session.run_uint8(wide, wide[..., :1] * 0)

    np.testing.assert_array_equal(session.run_uint8(IMAGE, HOLE), EXPECTED)
    assert len(engine.made) == 3  # the one that failed, and the one after making room


def test_without_memory_for_another_context_calls_share_the_one_there_is(
    open_session: OpenSession, fake: FakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    session, engine = open_session(contexts=4)
    engine.scratch = 5 * MIB
    fake.limit(8 * MIB)
    futures = [session.submit(IMAGE, HOLE) for _ in range(5)]

    for future in futures:
        np.testing.assert_array_equal(future.result(), EXPECTED)
    assert "no memory for another context beside these 1" in caplog.text


@pytest.mark.parametrize("call", ["cuGraphLaunch", "cuEventRecord"])
def test_a_call_that_cuda_refuses_is_an_error_and_the_next_one_runs(
    open_session: OpenSession, fake: FakeDriver, call: str
) -> None:
    session, _ = open_session()
    session.run_uint8(IMAGE, HOLE)
    other = session.submit(IMAGE, HOLE)
    fake.fail(call, 801)

    with pytest.raises(CudaError, match=f"{call} failed with CUDA_ERROR_NOT_SUPPORTED"):
        session.run_uint8(IMAGE, HOLE)

    np.testing.assert_array_equal(other.result(), EXPECTED)
    np.testing.assert_array_equal(session.run_uint8(IMAGE, HOLE), EXPECTED)


def test_a_call_that_fails_frees_no_buffers_that_another_thread_fills(
    open_session: OpenSession, fake: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = open_session(contexts=1)
    session.run_uint8(IMAGE, HOLE)
    filling, go_on, copy = threading.Event(), threading.Event(), np.copyto

    def copy_when_told(target: np.ndarray, source: np.ndarray) -> None:
        if not filling.is_set():
            filling.set()
            go_on.wait(60)
        copy(target, source)

    monkeypatch.setattr(np, "copyto", copy_when_told)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(session.run_uint8, IMAGE, HOLE)
        assert filling.wait(30)
        fake.fail("cuGraphLaunch", 801)
        failing = threads.submit(session.run_uint8, IMAGE, HOLE)
        ended = wait([failing], timeout=0.3).done
        go_on.set()

        assert not ended  # it frees the context when the other call is over
        np.testing.assert_array_equal(first.result(timeout=30), EXPECTED)
        with pytest.raises(CudaError, match="cuGraphLaunch failed"):
            failing.result(timeout=30)


def test_a_lost_context_is_told_by_its_error_and_closing_ends(
    open_session: OpenSession, fake: FakeDriver
) -> None:
    session, _ = open_session()
    session.run_uint8(IMAGE, HOLE)
    future = session.submit(IMAGE, HOLE)
    fake.lose_context(700)
    for call in (future.result, future.result, lambda: session.run_uint8(IMAGE, HOLE)):
        with pytest.raises(CudaError, match=r"ILLEGAL_ADDRESS: an illegal .*\n.*start it again"):
            call()


@pytest.mark.parametrize("check", [True, False])
def test_answers_that_are_not_finite_are_found_on_request(
    open_session: OpenSession, fake: FakeDriver, check: bool
) -> None:
    session, engine = open_session("float", check_finite=check)
    engine.asleep = True  # so that the result is what fresh memory of the fake GPU holds: NaN
    image, hole = np.zeros((1, 3, 256, 256), np.float32), np.zeros((1, 1, 256, 256), np.float32)

    future = session.submit(image, hole)

    if check:
        text = r"negative.engine must answer with finite numbers; 196608 of 196608 are not\nA half"
        with pytest.raises(EngineError, match=text):
            future.result()
    else:
        assert np.isnan(future.result()).all()
    with pytest.raises(EngineError, match="must answer with finite numbers"):
        session.run_uint8(IMAGE, HOLE)  # a pixel cannot be NaN: this is always checked


def test_finite_answers_of_bytes_cannot_be_checked(open_session: OpenSession) -> None:
    with pytest.raises(ContractError, match="returns uint8, where NaN is no longer visible"):
        open_session(check_finite=True)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that is the point
def test_a_forked_process_is_told_and_the_parent_goes_on(open_session: OpenSession) -> None:
    session, _ = open_session()
    session.run_uint8(IMAGE, HOLE)
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            session.run_uint8(IMAGE, HOLE)
        except EngineError as error:
            os.write(writing, str(error).encode())
        session.close()
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert "CUDA does not survive a fork" in pipe.read()
    np.testing.assert_array_equal(session.run_uint8(IMAGE, HOLE), EXPECTED)
