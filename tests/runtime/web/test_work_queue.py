"""The queue of repairs over real connections: order, limit, stop, deadline."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from csakit.plugins.errors import EngineError

from .serving import INPAINT, NDJSON, Files, GatedSession, Running, Serve, events_of, files_of

Answer = Future[httpx.Response]
Ask = Callable[..., Answer]
Busy = tuple[GatedSession, Running, Answer]


@pytest.fixture
def ask(body: Files) -> Iterator[Ask]:
    """Return a function that lets one more client ask a server for a repair."""
    with ThreadPoolExecutor(64) as clients:

        def ask(running: Running, files: Files = body, **headers: str) -> Answer:
            return clients.submit(running.post, files, headers=headers)

        yield ask


@pytest.fixture
def busy(serve: Serve, ask: Ask) -> Busy:
    """Return a server with one place to wait, whose repair runs until the gate opens."""
    session = GatedSession()
    running = serve(session, queue=1)
    first = ask(running)
    assert session.waiting.acquire(timeout=20)
    return session, running, first


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.result(30).status_code for answer in answers]


def test_repairs_wait_in_their_order_and_hear_how_many_are_before_them(
    serve: Serve, ask: Ask
) -> None:
    session = GatedSession()
    running = serve(session)
    answers: list[Answer] = []
    ended: list[Answer] = []
    for number in range(3):
        answers.append(ask(running, **NDJSON))
        answers[-1].add_done_callback(ended.append)
        running.until_metric("csakit_running", 1)
        running.until_metric("csakit_queue_length", number)
    session.gate.release(6)

    told = [events_of(answer.result(30)) for answer in answers]
    ahead = [[event["ahead"] for event in one if event["event"] == "queued"] for one in told]
    assert [one[:1] for one in ahead[1:]] == [[1], [2]]
    assert ahead[2] == [2, 1]
    assert ended == answers
    assert [one[-1]["event"] for one in told] == ["done"] * 3


def test_more_than_the_queue_holds_are_asked_to_come_again(
    busy: Busy, ask: Ask, body: Files
) -> None:
    session, running, first = busy
    second = ask(running)
    running.until_metric("csakit_queue_length", 1)

    refused = running.post(body)
    opened = running.client.post("/api/v1/inspect", files={"image": body["image"]})
    started = time.monotonic()
    ready = running.get("/health/ready")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "the server takes no more" in refused.json()["detail"]
    assert opened.status_code == ready.status_code == 200
    assert time.monotonic() - started < 1

    session.gate.release(4)
    assert statuses([first, second]) == [200, 200]


def test_a_place_is_taken_before_the_body_is_read(serve: Serve, ask: Ask) -> None:
    session = GatedSession()
    running = serve(session, queue=3)
    answers = [ask(running) for _ in range(14)]
    end = time.monotonic() + 20
    while sum(answer.done() for answer in answers) < 10:
        assert time.monotonic() < end
        time.sleep(0.01)
    session.gate.release(8)

    assert sorted(statuses(answers)) == [200] * 4 + [503] * 10


def test_a_client_that_leaves_stops_its_repair_between_runs(serve: Serve, body: Files) -> None:
    session = GatedSession()
    running = serve(session)
    with running.client.stream("POST", INPAINT, files=body, headers=NDJSON) as answer:
        assert answer.status_code == 200
        assert session.waiting.acquire(timeout=20)
    session.gate.release()

    running.until_metric("csakit_running", 0)
    assert len(session.calls) == 1  # of two


def test_a_client_that_leaves_the_queue_frees_its_place(busy: Busy, ask: Ask, body: Files) -> None:
    session, running, first = busy
    with contextlib.suppress(httpx.ReadTimeout):
        running.post(body, timeout=1)

    running.until_metric("csakit_queue_length", 0)
    second = ask(running)
    session.gate.release(4)
    assert statuses([first, second]) == [200, 200]
    assert len(session.calls) == 4


def test_the_deadline_ends_a_repair(serve: Serve, ask: Ask) -> None:
    session = GatedSession()
    running = serve(session, deadline=1)
    one, other = ask(running), ask(running, **NDJSON)
    time.sleep(3)
    session.gate.release(4)

    end = events_of(other.result(30))[-1]
    assert [one.result(30).status_code, end["status"]] == [504, 504]
    assert "larger --deadline" in end["detail"]


def test_a_model_that_fails_ends_the_stream_with_its_words(serve: Serve, body: Files) -> None:
    session = GatedSession()
    session.error = EngineError("the model failed\nUse another one.")
    session.gate.release()

    end = serve(session).events(body)[-1]

    assert (end["event"], end["status"]) == ("error", 500)
    assert end["detail"] == "the model failed\nUse another one."


def test_a_stopping_server_is_not_ready_and_ends_what_runs(
    serve: Serve, ask: Ask, body: Files
) -> None:
    session = GatedSession()
    running = serve(session)
    answers = [ask(running, **NDJSON)]
    assert session.waiting.acquire(timeout=20)
    answers.append(ask(running, **NDJSON))
    running.until_metric("csakit_queue_length", 1)

    running.web.stop()
    ready, late = running.get("/health/ready"), running.post(body)
    session.gate.release()

    assert ready.status_code == late.status_code == 503
    assert [events_of(one.result(30))[-1].get("status") for one in answers] == [503, 503]
    assert len(session.calls) == 1


def test_fifty_clients_and_nobody_starves(serve: Serve, ask: Ask, photo: np.ndarray) -> None:
    class Slow(GatedSession):
        def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            time.sleep(0.05)
            self.gate.release()
            return super().run_uint8(image, mask)

    running = serve(Slow())
    files = files_of(photo[:64, :64], (20, 20, 30, 30))
    answers = [ask(running, files) for _ in range(50)]
    slowest = 0.0
    while not all(answer.done() for answer in answers):
        started = time.monotonic()
        assert running.get("/health/live").status_code == 200
        slowest = max(slowest, time.monotonic() - started)

    codes = statuses(answers)
    assert codes.count(200) + codes.count(503) == 50
    assert codes.count(200) >= 9
    refused = [answer.result() for answer in answers if answer.result().status_code == 503]
    assert all("retry-after" in answer.headers for answer in refused)
    assert slowest < 5
