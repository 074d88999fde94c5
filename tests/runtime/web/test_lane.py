"""Who waits for whom: order, limit, stop, deadline, all over real connections."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
from csakit.plugins.errors import EngineError

from .serving import GatedSession, Running, Serve, encoded, mask_of

Body = dict[str, tuple[str, bytes]]
POST = "/api/v1/inpaint"
NDJSON = {"Accept": "application/x-ndjson"}


class Client(threading.Thread):
    """One client that waits for its whole answer."""

    def __init__(self, running: Running, body: Body, **headers: str) -> None:
        super().__init__()
        self._running, self._body, self._headers = running, body, headers
        self.answer: httpx.Response | None = None
        self.ended = 0.0
        self.start()

    def run(self) -> None:
        with self._running.client() as client:
            self.answer = client.post(POST, files=self._body, headers=self._headers)
        self.ended = time.monotonic()

    @property
    def events(self) -> list[dict[str, Any]]:
        assert self.answer is not None
        return [json.loads(line) for line in self.answer.text.splitlines()]


def metric(running: Running, name: str) -> str:
    with running.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return next((line.rsplit(" ", 1)[1] for line in lines if line.startswith(name + " ")), "")


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_repairs_wait_in_their_order_and_hear_how_many_are_before_them(
    serve: Serve, body: Body
) -> None:
    session = GatedSession()
    running = serve(session)
    clients = []
    for number in range(3):
        clients.append(Client(running, body, **NDJSON))
        until(lambda: metric(running, "csakit_running") == "1")
        until(lambda n=number: metric(running, "csakit_queue_length") == str(n))
    for _ in range(6):
        session.gate.release()
    for client in clients:
        client.join(30)

    ahead = [[e["ahead"] for e in c.events if e["event"] == "queued"] for c in clients]
    assert [told[:1] for told in ahead[1:]] == [[1], [2]]
    assert ahead[2] == [2, 1]
    assert clients[0].ended < clients[1].ended < clients[2].ended
    assert [c.events[-1]["event"] for c in clients] == ["done"] * 3


def test_more_than_the_queue_holds_are_asked_to_come_again(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session, queue=1)
    first = Client(running, body)
    assert session.waiting.acquire(timeout=20)
    second = Client(running, body)
    until(lambda: metric(running, "csakit_queue_length") == "1")

    with running.client() as client:
        refused = client.post(POST, files=body)
        opened = client.post("/api/v1/inspect", files={"image": body["image"]})
        started = time.monotonic()
        ready = client.get("/health/ready")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "the server takes no more" in refused.json()["detail"]
    assert opened.status_code == ready.status_code == 200
    assert time.monotonic() - started < 1

    for _ in range(4):
        session.gate.release()
    for one in (first, second):
        one.join(30)
        assert one.answer is not None
        assert one.answer.status_code == 200


def test_a_place_is_taken_before_the_body_is_read(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session, queue=3)
    clients = [Client(running, body) for _ in range(14)]
    until(lambda: sum(not one.is_alive() for one in clients) == 10)
    for _ in range(8):
        session.gate.release()
    for one in clients:
        one.join(30)

    statuses = [one.answer.status_code for one in clients if one.answer]
    assert sorted(statuses) == [200] * 4 + [503] * 10


def test_a_client_that_leaves_stops_its_repair_between_runs(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session)
    with running.client() as client, client.stream("POST", POST, files=body, headers=NDJSON) as a:
        assert a.status_code == 200
        assert session.waiting.acquire(timeout=20)
    session.gate.release()

    until(lambda: metric(running, "csakit_running") == "0")
    assert len(session.calls) == 1  # of two


def test_a_client_that_leaves_the_queue_frees_its_place(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session, queue=1)
    first = Client(running, body)
    assert session.waiting.acquire(timeout=20)
    with contextlib.suppress(httpx.ReadTimeout), running.client() as client:
        client.post(POST, files=body, timeout=1)

    until(lambda: metric(running, "csakit_queue_length") == "0")
    second = Client(running, body)
    for _ in range(4):
        session.gate.release()
    for one in (first, second):
        one.join(30)
        assert one.answer is not None
        assert one.answer.status_code == 200
    assert len(session.calls) == 4


def test_the_deadline_ends_a_repair(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session, deadline=1)
    one, other = Client(running, body), Client(running, body, **NDJSON)
    time.sleep(3)
    for _ in range(4):
        session.gate.release()
    one.join(30)
    other.join(30)

    ends = [one.answer.status_code if one.answer else 0, other.events[-1].get("status")]
    assert ends == [504, 504]
    assert "larger --deadline" in other.events[-1]["detail"]


def test_a_model_that_fails_ends_the_stream_with_its_words(serve: Serve, body: Body) -> None:
    session = GatedSession()
    session.error = EngineError("the model failed\nUse another one.")
    session.gate.release()
    running = serve(session)
    client = Client(running, body, **NDJSON)
    client.join(30)

    end = client.events[-1]
    assert (end["event"], end["status"]) == ("error", 500)
    assert end["detail"] == "the model failed\nUse another one."


def test_a_stopping_server_is_not_ready_and_ends_what_runs(serve: Serve, body: Body) -> None:
    session = GatedSession()
    running = serve(session)
    clients = [Client(running, body, **NDJSON)]
    assert session.waiting.acquire(timeout=20)
    clients.append(Client(running, body, **NDJSON))
    until(lambda: metric(running, "csakit_queue_length") == "1")

    running.web.stop()
    with running.client() as client:
        ready, late = client.get("/health/ready"), client.post(POST, files=body)
    session.gate.release()
    for one in clients:
        one.join(30)

    assert ready.status_code == late.status_code == 503
    assert [one.events[-1].get("status") for one in clients] == [503, 503]
    assert len(session.calls) == 1


def test_fifty_clients_and_nobody_starves(serve: Serve, photo: np.ndarray) -> None:
    small = photo[:64, :64]
    files = {
        "image": ("x.png", encoded(small)),
        "mask": ("m.png", encoded(mask_of(small.shape, (20, 20, 30, 30)))),
    }

    class Slow(GatedSession):
        def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            time.sleep(0.05)
            self.gate.release()
            return super().run_uint8(image, mask)

    running = serve(Slow())
    clients = [Client(running, files) for _ in range(50)]
    slowest = 0.0
    while any(one.is_alive() for one in clients):
        started = time.monotonic()
        with running.client() as client:
            assert client.get("/health/live").status_code == 200
        slowest = max(slowest, time.monotonic() - started)
    for one in clients:
        one.join()

    answers = [one.answer for one in clients if one.answer is not None]
    done = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(done) + len(refused) == 50
    assert len(done) >= 9
    assert all("retry-after" in answer.headers for answer in refused)
    assert slowest < 5
