"""A session around an engine that is one kernel: threads, futures, graphs, memory.

On a real GPU, or on the fake one in another process; see ``test_on_the_fake_driver.py``.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime import Inpainter, InpaintOptions
from csakit.runtime.engine.engine_session import EngineSession
from numpy.random import Generator

from .conftest import OpenSession

pytestmark = pytest.mark.gpu

WHOLE = np.ones((1, 256, 256, 1), np.uint8)


def draw(
    rng: Generator, batch: int = 1, height: int = 256, width: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Return random images and holes."""
    image = rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
    return image, (rng.random((batch, height, width, 1)) < 0.3).astype(np.uint8)


def negative(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return np.where(hole != 0, 255 - image, image)


def check(session: EngineSession, rng: Generator, *shape: int) -> None:
    """Run a call and check its result."""
    image, hole = draw(rng, *shape)
    np.testing.assert_array_equal(session.run_uint8(image, hole), negative(image, hole))


def test_each_image_is_filled_by_its_own_mask(open_session: OpenSession, rng: Generator) -> None:
    session, _ = open_session()

    for shape in ((1, 256, 256), (3, 256, 512), (1, 256, 256)):
        check(session, rng, *shape)


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_both_forms_of_a_call_work_on_both_forms_of_an_engine(
    open_session: OpenSession, rng: Generator, io: str
) -> None:
    session, _ = open_session(io)
    image, hole = draw(rng, 2)
    numbers = (image / np.float32(127.5) - 1).transpose(0, 3, 1, 2).astype(np.float32).copy()
    missing = hole.transpose(0, 3, 1, 2).astype(np.float32)

    result = session.run(numbers, missing)

    np.testing.assert_allclose(result, np.where(missing > 0, -numbers, numbers), atol=1e-6)
    np.testing.assert_array_equal(session.run_uint8(image, hole), negative(image, hole))
    assert session.io == io


@pytest.mark.parametrize("size", [(256, 512, 1024), (768, 768, 1024), (512, 512, 512)])
def test_an_inpainter_repairs_with_it(
    open_session: OpenSession, rng: Generator, size: tuple[int, ...]
) -> None:
    session, _ = open_session(size=size)
    image, hole = draw(rng, 1, 300, 451)[0][0], np.zeros((300, 451), dtype=bool)
    hole[100:150, 200:260] = True

    with Inpainter(session, InpaintOptions(blend="none")) as inpaint:
        result = inpaint(image, hole)

    np.testing.assert_array_equal(result[~hole], image[~hole])
    np.testing.assert_array_equal(result[hole], 255 - image[hole])


def test_a_call_is_captured_once_and_replayed(open_session: OpenSession, rng: Generator) -> None:
    session, engine = open_session()
    session.prepare(1, (256, 256))
    before = engine.enqueued

    for _ in range(5):
        check(session, rng)

    assert before == 3  # to warm up, and for each of the two sets of buffers
    assert engine.enqueued == before
    assert engine.caches_saved == 1


def test_what_cannot_be_captured_runs_without_and_the_reason_is_logged_once(
    open_session: OpenSession, rng: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    session, engine = open_session()
    engine.waits = True

    with caplog.at_level(logging.WARNING):
        for shape in ((1, 256, 256), (1, 512, 256)):
            check(session, rng, *shape)

    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith("negative.engine runs without a CUDA graph")
    assert "CUDA_ERROR_STREAM_CAPTURE" in text


def test_graphs_can_be_declined(open_session: OpenSession, rng: Generator) -> None:
    session, engine = open_session(cuda_graph=False)

    for _ in range(4):
        check(session, rng)

    assert engine.enqueued == 5  # once to warm up
    assert not session.uses_graphs


def test_results_are_the_callers_own(open_session: OpenSession, rng: Generator) -> None:
    session, _ = open_session()

    first = session.run_uint8(draw(rng)[0], WHOLE)
    kept = first.copy()
    others = [session.run_uint8(draw(rng)[0], WHOLE) for _ in range(4)]

    np.testing.assert_array_equal(first, kept)
    assert not any(np.shares_memory(first, other) for other in others)


def test_futures_come_back_in_any_order_and_inputs_may_change_meanwhile(
    open_session: OpenSession, rng: Generator
) -> None:
    session, _ = open_session(contexts=1)
    expected, futures = [], []

    for _ in range(7):  # more than the buffers of a context
        image, hole = draw(rng)
        expected.append(negative(image, hole))
        futures.append(session.submit(image, hole))
        image[:], hole[:] = 0, 1
    done = [future.done for future in futures[:5]]

    for index in (6, 0, 3, 5, 1, 4, 2, 0):
        np.testing.assert_array_equal(futures[index].result(), expected[index])
    assert all(done)  # the oldest were finished to make room


def test_a_future_of_the_other_form_keeps_the_pixels_it_was_given(
    open_session: OpenSession, rng: Generator
) -> None:
    session, _ = open_session()
    numbers = rng.random((1, 3, 256, 256), dtype=np.float32)
    given, missing = numbers.copy(), np.zeros((1, 1, 256, 256), np.float32)

    future = session.submit(numbers, missing)
    numbers[:] = 0

    np.testing.assert_array_equal(future.result(), given)


def test_dropped_futures_hold_up_nobody(open_session: OpenSession, rng: Generator) -> None:
    session, _ = open_session(contexts=1)

    for _ in range(20):
        session.submit(*draw(rng))

    check(session, rng)


@pytest.mark.parametrize(("contexts", "graph"), [(1, True), (1, False), (2, True), (4, False)])
def test_threads_get_their_own_results(
    open_session: OpenSession, contexts: int, graph: bool
) -> None:
    session, engine = open_session(contexts=contexts, cuda_graph=graph)
    barrier = threading.Barrier(4)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        barrier.wait()
        for index in range(12):
            check(session, rng, 1 + index % 2, 256, 256 * (1 + (index + seed) % 2))

    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(work, seed) for seed in range(4)]:
            future.result(timeout=120)

    assert len(set(engine.made)) == 4


def test_contexts_are_made_when_needed_up_to_the_limit(
    open_session: OpenSession, rng: Generator
) -> None:
    session, engine = open_session(contexts=2)
    image, hole = draw(rng)

    session.run_uint8(image, hole)
    session.run_uint8(image, hole)
    one = len(engine.made)
    futures = [session.submit(image, hole) for _ in range(4)]

    assert (one, len(engine.made)) == (1, 2)
    assert all((future.result() == negative(image, hole)).all() for future in futures)


def test_a_shape_outside_of_the_profile_is_told_what_is_allowed(
    open_session: OpenSession, rng: Generator
) -> None:
    session, _ = open_session(batch=(1, 2, 4))
    for shape in ((5, 256, 256), (1, 1280, 256)):
        text = (
            r"negative.engine takes batches of 1 to 4 and sides of 256 or 512 or 768 or 1024 "
            rf"pixels; got B={shape[0]}, 256 x {shape[1]} \(width x height\)\nBuild it for more "
            r"shapes, with other --batch or --size: csakit build model.onnx"
        )
        with pytest.raises(ContractError, match=text):
            session.run_uint8(*draw(rng, *shape))
    assert (session.batch, session.size) == (None, None)
