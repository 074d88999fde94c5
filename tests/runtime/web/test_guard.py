"""Who asks, from where, how much and how fast: what must not be answered is not."""

import logging
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("starlette", reason="starlette is not installed")

from csakit.plugins.errors import ContractError
from csakit.runtime.web import guard
from csakit.runtime.web.options import WebOptions
from csakit.runtime.web.serve import addresses, listen

from .serving import Running, Serve

Body = dict[str, tuple[str, bytes]]
POST = "/api/v1/inpaint"


@pytest.fixture
def running(serve: Serve, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    """A server that has logged no error at the end, and still works."""
    one = serve(max_upload=1)
    yield one
    with one.client() as client:
        assert client.get("/health/ready").status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def raw(running: Running, request: bytes, *, wait: float = 10) -> bytes:
    """Send bytes, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=wait) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
            head, _, content = answer.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if length and len(content) == int(length[1]):
                break
    return answer


def until_counted(running: Running, labels: str) -> None:
    """Wait until the server has counted such a request."""
    with running.client() as client:
        for _ in range(200):
            if f"csakit_requests_total{{{labels}}} 1" in client.get("/metrics").text:
                return
            time.sleep(0.02)
    pytest.fail(f"no request with {labels}")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7:8080", 200),
        ("csakit.example", 200),
        ("evil.test", 421),
        ("localhost.evil.test", 421),
        ("", 421),
        ("a b", 421),
        ("localhost:8080@evil.test", 421),
    ],
)
def test_only_known_names_are_answered(serve: Serve, host: str, status: int) -> None:
    with serve(allow_hosts=("csakit.example",)).client() as client:
        assert client.get("/", headers={"Host": host}).status_code == status


def test_two_hosts_are_refused(running: Running) -> None:
    answer = raw(running, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
    ],
)
def test_other_pages_cannot_send(
    running: Running, body: Body, headers: dict[str, str], status: int
) -> None:
    with running.client() as client:
        assert client.post(POST, files=body, headers=headers).status_code == status
        own = {"Origin": running.url, "Sec-Fetch-Site": "same-origin"}
        assert client.post(POST, files=body, headers=own).status_code == 200


def test_no_other_origin_may_read(running: Running) -> None:
    with running.client() as client:
        answer = client.options(POST, headers={"Origin": "http://evil.test"})
        page = client.get("/", headers={"Origin": "http://evil.test"})

    assert answer.status_code == 403
    assert not [name for name in page.headers if name.startswith("access-control")]
    assert not [name for name in page.headers if name == "set-cookie"]


def test_the_token_is_needed_where_there_is_one(serve: Serve) -> None:
    with serve(token="a secret token").client() as client:
        for path in ("/api/v1/info", "/metrics", "/api/v1/model"):
            without = client.get(path)
            wrong = client.get(path, headers={"Authorization": "Bearer a secret toke"})
            right = client.get(path, headers={"Authorization": "Bearer a secret token"})
            assert [a.status_code for a in (without, wrong, right)] == [401, 401, 200]
        assert without.headers["www-authenticate"] == "Bearer"
        assert client.get("/").status_code == client.get("/health/ready").status_code == 200


def test_every_answer_carries_the_headers(running: Running, body: Body) -> None:
    with running.client() as client:
        answers = [
            client.get("/"),
            client.get("/nothing"),
            client.post(POST, files=body),
            client.post(POST, files={}),
            client.get("/", headers={"Host": "evil.test"}),
        ]

    for answer in answers:
        assert guard.HEADERS.items() <= answer.headers.items()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] in ("no-store", "no-cache")


def test_a_body_that_says_it_is_too_long_is_refused_unread(running: Running) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 << 20}\r\n\r\n"

    answer = raw(running, head.encode())

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger --max-upload" in answer


def test_chunks_are_counted(running: Running) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(100_000)

    with running.client() as client:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        try:
            assert client.post(POST, content=chunks(), headers=kind).status_code == 413
        except httpx.WriteError:  # the connection is closed while the client still sends
            until_counted(running, 'route="inpaint",status="413"')


@pytest.mark.parametrize("length", ["-5", "1e9", "0x10", "1, 2"])
def test_lengths_that_are_none_are_refused(running: Running, length: str) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"

    assert raw(running, head.encode()).startswith(b"HTTP/1.1 400")


def test_a_body_that_stops_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CHUNK_SECONDS", 0.3)
    head = (
        f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    started = time.monotonic()

    answer = raw(running, head.encode())

    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 8


def test_a_body_has_an_end_in_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    head += '--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(head.encode())
        for _ in range(100):
            try:
                connection.sendall(b"-")
            except OSError:
                break
            time.sleep(0.05)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_error(running: Running) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head.encode())

    until_counted(running, 'route="inpaint",status="499"')


def test_only_a_loopback_host_needs_no_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.7"):
        assert WebOptions(host=host).loopback
    for host in ("0.0.0.0", "192.168.0.3", "::", "example.org"):
        assert not WebOptions(host=host).loopback


def test_the_address_carries_the_token_where_logs_do_not_see_it() -> None:
    made = WebOptions(host="192.168.0.3", token="a secret token")

    assert addresses(made, 8080) == "http://192.168.0.3:8080/#token=a secret token"
    assert addresses(WebOptions(), 8080) == "http://localhost:8080/"


def test_a_taken_port_names_the_next_free_one() -> None:
    with listen(WebOptions(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ContractError, match=rf"port {port} is taken\nUse --port \d+"):
            listen(WebOptions(port=port))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": 70_000}, "port must be 0 to 65535; got 70000"),
        ({"max_upload": 0}, "max-upload must be 1 to 1024"),
        ({"queue": -1}, "queue must be 0 to 1000"),
        ({"deadline": float("nan")}, "deadline must be 1 to 86400"),
        ({"token": "short"}, "at least 8 letters"),
        ({"key": Path("k")}, "Add --certificate"),
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        WebOptions(**wrong)
