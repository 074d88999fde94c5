"""A real server in a thread, with the packaged model or a fake session."""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("python_multipart", reason="python_multipart is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx
from csakit.runtime import Inpainter, InpaintOptions
from csakit.runtime.models.packaged import resolve_model
from csakit.runtime.options import MaskOptions
from csakit.runtime.web.about import Model
from csakit.runtime.web.app import Web
from csakit.runtime.web.fields import RequestOptions
from csakit.runtime.web.options import WebOptions
from csakit.runtime.web.serve import describe_model, listen, make_server
from PIL import Image

from ..conftest import RecordingSession

Files = dict[str, tuple[str | None, bytes]]
INPAINT: Final = "/api/v1/inpaint"
NDJSON: Final = {"Accept": "application/x-ndjson"}
FAKE: Final = Model(
    version="0",
    name="fake.onnx",
    sha256="0" * 64,
    precision="fp32",
    backend="onnxruntime",
    device="cpu",
    size=None,
    trained_hole=80,
)


class GatedSession(RecordingSession):
    """Waits before each run until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        self.error: Exception | None = None

    def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.waiting.release()
        assert self.gate.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        return super().run_uint8(image, mask)


class Running:
    """A server that runs in a thread."""

    def __init__(self, inpaint: Inpainter, model: Model, options: WebOptions) -> None:
        defaults = RequestOptions(inpaint=inpaint.options, mask=MaskOptions())
        self.web = Web(inpaint, model, options, defaults)
        self.server = make_server(self.web, options)
        self._socket = listen(options)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self._thread = threading.Thread(target=self.server.run, args=([self._socket],))
        self._thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        return self.client.get(path, **more)

    def post(self, files: Files, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Ask for a repair."""
        return self.client.post(INPAINT, files=files, **more)

    def events(self, files: Files) -> list[dict[str, Any]]:
        """Ask for a repair, and return what is told of it."""
        return events_of(self.post(files, headers=NDJSON))

    def until_metric(self, name: str, value: int) -> None:
        """Wait until the server reports a value."""
        end = time.monotonic() + 20
        while f"{name} {value}" not in self.get("/metrics").text.splitlines():
            assert time.monotonic() < end, f"{name} is not {value}"
            time.sleep(0.01)

    def stop(self) -> None:
        self.client.close()
        self.web.stop()
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._socket.close()


Serve = Callable[..., Running]


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server around a session: options of the server by name."""
    running: list[Running] = []

    def start(
        session: RecordingSession | None = None,
        model: Model = FAKE,
        **options: Any,  # noqa: ANN401
    ) -> Running:
        inpaint = Inpainter(session or RecordingSession())
        running.append(Running(inpaint, model, WebOptions(**{"port": 0, **options})))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def running(serve: Serve, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    """A server that has logged no error at the end, and still works."""
    one = serve(max_upload=1)
    yield one
    assert one.client.get("/health/ready").status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """The packaged model, served."""
    path = resolve_model(None)
    with Inpainter.open(path, options=InpaintOptions(), threads=1, spin=False) as inpaint:
        model = describe_model(inpaint, path, device=None, backend=None)
        running = Running(inpaint, model, WebOptions(port=0))
        yield running
        running.stop()


def encoded(
    pixels: np.ndarray,
    kind: str = "PNG",
    mode: str | None = None,
    **more: Any,  # noqa: ANN401
) -> bytes:
    """An image file in memory."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind, **more)
    return buffer.getvalue()


def mask_of(shape: tuple[int, ...], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """White rectangles: top, left, bottom, right."""
    mask = np.zeros(shape[:2], np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = 255
    return mask


def pixels_of(content: bytes, mode: str | None = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert(mode) if mode else image)


def files_of(image: np.ndarray, *boxes: tuple[int, int, int, int]) -> Files:
    """The files of a request: a picture, and white rectangles as its mask."""
    mask = encoded(mask_of(image.shape, *boxes))
    return {"image": ("cat.png", encoded(image)), "mask": ("mask.png", mask)}


@pytest.fixture
def body(photo: np.ndarray) -> Files:
    """The files of a request that is in order, with two holes."""
    return files_of(photo, (40, 60, 60, 90), (220, 380, 250, 400))
