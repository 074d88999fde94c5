"""Bad input has a status and a sentence, harms nothing, and the server goes on."""

import logging
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .serving import GatedSession, Running, Serve, encoded, mask_of

Body = dict[str, tuple[str, bytes]]
POST = "/api/v1/inpaint"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def running(serve: Serve, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    """A server that has logged no error at the end, and still works."""
    one = serve(max_upload=1)
    yield one
    with one.client() as client:
        assert client.get("/health/ready").status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"image": ("x", b"not a picture")}, 422, "its content is not"),
        ({"image": ("x", b"")}, 422, "the field 'image' is missing or empty"),
        ({"mask": ("m", encoded(np.zeros((9, 9), np.uint8)))}, 422, "the shape of its image"),
        ({"mask": ("m", encoded(np.full((300, 451), 255, np.uint8)))}, 422, "covers the whole"),
        ({"other": ("o", b"x")}, 422, "got 'other'"),
        ({"path": (None, b"/etc/passwd")}, 422, "got 'path'"),
        ({"margin": (None, b"many")}, 422, "margin must be a whole number; got 'many'"),
        ({"margin": (None, b"-5")}, 422, "margin must be 8 to 65536 pixels"),
        ({"strategy": (None, b"best")}, 422, "strategy must be one of"),
        ({"blend": (None, b"feather 999")}, 422, "blend must be seamless"),
        ({"format": (None, b"exe")}, 422, "format must be one of"),
        ({"quality": (None, b"0")}, 422, "quality must be 1 to 100"),
        ({"mask_invert": (None, b"perhaps")}, 422, "mask_invert must be true or false"),
        ({"edits": (None, b"{}")}, 422, "line 1 of edits must be a JSON object"),
        ({"edits": (None, b'{"x": 0, "y": 0, "png": "eA=="}')}, 422, "line 1 of edits"),
        ({"edits": (None, b'{"x": -1, "y": 0, "png": ""}')}, 422, "whole numbers"),
    ],
)
def test_bad_input_is_told_with_its_remedy(
    running: Running, body: Body, change: Body, status: int, text: str
) -> None:
    with running.client() as client:
        answer = client.post(POST, files={**body, **change})

    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert text in said["detail"]
    assert said["request_id"] == answer.headers["x-request-id"]
    assert said["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", POST, {}, 405),
        ("DELETE", "/", {}, 405),
        ("GET", "/etc/passwd", {}, 404),
        ("GET", "/..%2f..%2fetc/passwd", {}, 404),
        ("GET", "//etc/passwd", {}, 404),
        ("GET", "/static/index.html", {}, 404),
        ("POST", POST, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", POST, {"content": b"{", "headers": JSON}, 400),
        ("POST", POST, {"content": b"[" * 200_000, "headers": JSON}, 400),  # nested too deeply
        ("POST", POST, {"json": [1]}, 422),
        ("POST", POST, {"headers": {"Accept": "text/html"}}, 406),
        (
            *("POST", POST),
            {"content": b"--y\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            400,
        ),
        (
            *("POST", POST),
            {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
            400,
        ),
    ],
)
def test_wrong_requests_have_their_status(
    running: Running, method: str, path: str, more: dict[str, object], status: int
) -> None:
    with running.client() as client:
        answer = client.request(method, path, **more)

    assert answer.status_code == answer.json()["status"] == status


def test_a_bomb_is_refused_by_its_header(running: Running) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows)
    files = {"image": ("bomb.png", bomb + chunk(b"IEND", b""))}

    with running.client() as client:
        answer = client.post("/api/v1/inspect", files=files)

    assert answer.status_code == 422
    assert "at most 120,000,000 pixels" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.jpg", "cat"),
        ('x"; filename="evil.html', "evil"),
        ("a\r\nSet-Cookie: b.png", None),
        ("Büro.png", "B_ro"),
    ],
)
def test_names_of_results_are_harmless(
    running: Running, body: Body, name: str, expected: str | None
) -> None:
    with running.client() as client:
        answer = client.post(POST, files={**body, "image": (name, body["image"][1])})

    said = answer.headers.get("content-disposition", "")
    assert "set-cookie" not in answer.headers
    assert said.count('"') == 2
    assert "/" not in said
    assert "\\" not in said


def test_a_model_that_fails_is_a_500_without_its_inside(
    serve: Serve, body: Body, caplog: pytest.LogCaptureFixture
) -> None:
    session = GatedSession()
    session.error = RuntimeError("secret detail")
    for _ in range(3):
        session.gate.release()
    with serve(session).client() as client:
        answer = client.post(POST, files=body)
        alive = client.get("/health/ready")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert alive.status_code == 200
    assert "secret detail" in caplog.text


def test_nothing_is_written_to_a_disk(
    running: Running, body: Body, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = np.random.default_rng(1).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    files = {
        "image": ("x.png", encoded(large)),
        "mask": ("m", encoded(mask_of((500, 500), (9, 9, 30, 30)))),
    }

    with running.client() as client:
        answer = client.post(POST, files=files)

    assert answer.status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_hundreds_of_broken_bodies_do_no_harm(
    running: Running, photo: np.ndarray, rng: np.random.Generator
) -> None:
    small, mask = photo[:64, :64], mask_of((64, 64), (20, 20, 30, 30))
    body = {"image": ("x.jpg", encoded(small, "JPEG")), "mask": ("m.png", encoded(mask))}
    with running.client() as client:
        request = client.build_request("POST", POST, files=body)
        whole = request.read()
        kind = {"Content-Type": request.headers["content-type"]}
        statuses = []
        for number in range(200):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(damaged), 1 + number % 20):
                damaged[place] = rng.integers(256)
            if number % 3 == 0:
                del damaged[int(rng.integers(len(damaged))) :]
            if number % 5 == 0:
                place = int(rng.integers(400))
                damaged[place : place + 30] = b""
            answer = client.post(POST, content=bytes(damaged), headers=kind)
            statuses.append(answer.status_code)

    assert set(statuses) <= {200, 400, 422}
    assert statuses.count(422) > 20
    assert statuses.count(400) > 20
