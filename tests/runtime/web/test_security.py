"""Bad input has a status and a sentence, harms nothing, and the server goes on."""

import io
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL.PngImagePlugin import putchunk

from .serving import INPAINT, Files, GatedSession, Running, Serve, encoded, files_of, mask_of

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image": ("x", b"not a picture")}, "its content is not"),
        ({"image": ("x", b"")}, "the field 'image' is missing or empty"),
        ({"mask": ("m", encoded(np.zeros((9, 9), np.uint8)))}, "the shape of its image"),
        ({"mask": ("m", encoded(np.full((300, 451), 255, np.uint8)))}, "covers the whole"),
        ({"other": ("o", b"x")}, "got 'other'"),
        ({"path": (None, b"/etc/passwd")}, "got 'path'"),
        ({"margin": (None, b"many")}, "margin must be a whole number; got 'many'"),
        ({"margin": (None, b"-5")}, "margin must be 8 to 65536 pixels"),
        ({"strategy": (None, b"best")}, "strategy must be one of"),
        ({"blend": (None, b"feather 999")}, "blend must be seamless"),
        ({"format": (None, b"exe")}, "format must be one of"),
        ({"quality": (None, b"0")}, "quality must be 1 to 100"),
        ({"mask_invert": (None, b"perhaps")}, "mask_invert must be true or false"),
        ({"edits": (None, b"{}")}, "line 1 of edits must be a JSON object"),
        ({"edits": (None, b'{"x": 0, "y": 0, "png": "eA=="}')}, "line 1 of edits"),
        ({"edits": (None, b'{"x": -1, "y": 0, "png": ""}')}, "whole numbers"),
    ],
)
def test_bad_input_is_told_with_its_remedy(
    running: Running, body: Files, change: Files, text: str
) -> None:
    answer = running.post({**body, **change})

    said = answer.json()
    assert answer.status_code == said["status"] == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert text in said["detail"]
    assert said["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", INPAINT, {}, 405),
        ("DELETE", "/", {}, 405),
        ("GET", "/etc/passwd", {}, 404),
        ("GET", "/..%2f..%2fetc/passwd", {}, 404),
        ("GET", "//etc/passwd", {}, 404),
        ("GET", "/static/index.html", {}, 404),
        ("POST", INPAINT, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", INPAINT, {"content": b"{", "headers": JSON}, 400),
        ("POST", INPAINT, {"content": b"[" * 200_000, "headers": JSON}, 400),  # nested too deeply
        ("POST", INPAINT, {"json": [1]}, 422),
        ("POST", INPAINT, {"headers": {"Accept": "text/html"}}, 406),
        ("POST", INPAINT, {"content": b"--y\r\n", "headers": FORM}, 400),
        (
            "POST",
            INPAINT,
            {"headers": {"Content-Type": "multipart/form-data"}},
            400,
        ),
    ],
)
def test_wrong_requests_have_their_status(
    running: Running, method: str, path: str, more: dict[str, object], status: int
) -> None:
    answer = running.client.request(method, path, **more)

    assert answer.status_code == answer.json()["status"] == status


def test_a_bomb_is_refused_by_its_header(running: Running) -> None:
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    bomb = io.BytesIO()
    bomb.write(b"\x89PNG\r\n\x1a\n")
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")):
        putchunk(bomb, name, data)
    files = {"image": ("bomb.png", bomb.getvalue())}

    answer = running.client.post("/api/v1/inspect", files=files)

    assert answer.status_code == 422
    assert "at most 120,000,000 pixels" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "picture"),
        ("C:\\photos\\cat.jpg", "cat"),
        ('x"; filename="evil.html', "x_22_ filename_22evil"),
        ("a\r\nSet-Cookie: b.png", "a_0D_0ASet-Cookie_ b"),
        ("Büro.png", "B_ro"),
    ],
)
def test_names_of_results_are_harmless(
    running: Running, body: Files, name: str, expected: str
) -> None:
    answer = running.post({**body, "image": (name, body["image"][1])})

    attached = answer.headers["content-disposition"]
    assert attached == f'attachment; filename="{expected}-repaired.png"'
    assert "set-cookie" not in answer.headers


def test_a_model_that_fails_is_a_500_without_its_inside(
    serve: Serve, body: Files, caplog: pytest.LogCaptureFixture
) -> None:
    session = GatedSession()
    session.error = RuntimeError("secret detail")
    session.gate.release(3)
    running = serve(session)
    answer = running.post(body)
    alive = running.get("/health/ready")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert alive.status_code == 200
    assert "secret detail" in caplog.text


def test_nothing_is_written_to_a_disk(
    running: Running, body: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = np.random.default_rng(1).integers(0, 256, (500, 500, 3), dtype=np.uint8)

    answer = running.post(files_of(large, (9, 9, 30, 30)))

    assert answer.status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_hundreds_of_broken_bodies_do_no_harm(
    running: Running, photo: np.ndarray, rng: np.random.Generator
) -> None:
    small, mask = photo[:64, :64], mask_of((64, 64), (20, 20, 30, 30))
    body = {"image": ("x.jpg", encoded(small, "JPEG")), "mask": ("m.png", encoded(mask))}
    request = running.client.build_request("POST", INPAINT, files=body)
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
        answer = running.client.post(INPAINT, content=bytes(damaged), headers=kind)
        statuses.append(answer.status_code)

    assert set(statuses) <= {200, 400, 422}
    assert statuses.count(422) > 20
    assert statuses.count(400) > 20
