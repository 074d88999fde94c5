"""What the server refuses to answer: hosts, origins, tokens, sizes and slow bodies."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.web import guard
from csakit.runtime.web.options import WebOptions
from csakit.runtime.web.serve import addresses, listen

from .serving import INPAINT, Files, Running, Serve

FORM = "Content-Type: multipart/form-data; boundary=x"


def head(*lines: str) -> bytes:
    """The head of a request for a repair."""
    first = (f"POST {INPAINT} HTTP/1.1", "Host: localhost", "Connection: close")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def raw(running: Running, request: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


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
    running = serve(allow_hosts=("csakit.example",))
    assert running.get("/", headers={"Host": host}).status_code == status


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
    running: Running, body: Files, headers: dict[str, str], status: int
) -> None:
    assert running.post(body, headers=headers).status_code == status
    own = {"Origin": running.url, "Sec-Fetch-Site": "same-origin"}
    assert running.post(body, headers=own).status_code == 200


def test_no_other_origin_may_read(running: Running) -> None:
    answer = running.client.options(INPAINT, headers={"Origin": "http://evil.test"})
    page = running.get("/", headers={"Origin": "http://evil.test"})

    assert answer.status_code == 403
    assert not [name for name in page.headers if name.startswith("access-control")]
    assert not [name for name in page.headers if name == "set-cookie"]


def test_the_token_is_needed_where_there_is_one(serve: Serve) -> None:
    running = serve(token="a secret token")
    for path in ("/api/v1/info", "/metrics", "/api/v1/model"):
        without = running.get(path)
        wrong = running.get(path, headers={"Authorization": "Bearer a secret toke"})
        right = running.get(path, headers={"Authorization": "Bearer a secret token"})
        assert [a.status_code for a in (without, wrong, right)] == [401, 401, 200]
    assert without.headers["www-authenticate"] == "Bearer"
    assert [running.get(path).status_code for path in ("/", "/health/ready")] == [200, 200]


def test_every_answer_carries_the_headers(running: Running, body: Files) -> None:
    answers = [
        running.get("/"),
        running.get("/nothing"),
        running.post(body),
        running.post({}),
        running.get("/", headers={"Host": "evil.test"}),
    ]

    for answer in answers:
        assert guard.HEADERS.items() <= answer.headers.items()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] in ("no-store", "no-cache")


def test_a_body_that_says_it_is_too_long_is_refused_unread(running: Running) -> None:
    answer = raw(running, head(f"Content-Length: {2 << 20}"))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger --max-upload" in answer


def test_chunks_are_counted(running: Running) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(100_000)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        assert running.client.post(INPAINT, content=chunks(), headers=kind).status_code == 413
    except httpx.WriteError:  # the connection is closed while the client still sends
        running.until_metric('csakit_requests_total{route="inpaint",status="413"}', 1)


@pytest.mark.parametrize("length", ["-5", "1e9", "0x10", "1, 2"])
def test_lengths_that_are_none_are_refused(running: Running, length: str) -> None:
    assert raw(running, head(f"Content-Length: {length}")).startswith(b"HTTP/1.1 400")


def test_a_body_that_stops_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CHUNK_SECONDS", 0.3)
    started = time.monotonic()

    answer = raw(running, head("Content-Length: 1000", FORM) + b"--x\r\n")

    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 8


def test_a_body_has_an_end_in_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.5)
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(head("Content-Length: 100000", FORM) + part)
        for _ in range(100):
            try:
                connection.sendall(b"-")
            except OSError:
                break
            time.sleep(0.05)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_error(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head("Content-Length: 1000", FORM) + b"--x\r\n")

    running.until_metric('csakit_requests_total{route="inpaint",status="499"}', 1)


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
