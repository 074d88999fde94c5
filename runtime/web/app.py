"""The routes of the server."""

import asyncio
import contextlib
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ..inpainter import Inpainter
from .about import Model, describe, iopaint_config, iopaint_models
from .fields import Fields, RequestOptions, read_fields
from .guard import REQUEST_ID, ROUTE, Guard
from .metrics import Metrics
from .options import WebOptions
from .problem import ClientLeftError, Problem
from .work import Result, Worker
from .work_queue import Event, Task, WorkQueue

STREAM: Final = "application/x-ndjson"
_IMAGES: Final = ("image/*", "image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp")
_PAGE: Final = Path(__file__).parent / "static"
_PAGE_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
_WARNING_BYTES: Final = 1500  # of a header


class Web:
    """One model behind HTTP: ``app`` is the guarded ASGI application."""

    def __init__(
        self, inpaint: Inpainter, model: Model, options: WebOptions, defaults: RequestOptions
    ) -> None:
        """Build the application around an open model, which its owner closes."""
        self._options, self._defaults = options, defaults
        self._metrics = Metrics()
        self._worker = Worker(inpaint, self._metrics)
        # Opening and saving take a second: they need not wait for repairs.
        self._queue = WorkQueue(model.concurrency, options.queue, self._metrics)
        self._side_queue = WorkQueue(1, options.queue)
        self.routes = [
            Route("/api/v1/inpaint", _post("inpaint", self._inpaint), methods=["POST"]),
            Route("/api/v1/apply", _post("apply", self._apply), methods=["POST"]),
            Route("/api/v1/inspect", _post("inspect", self._inspect), methods=["POST"]),
            Route("/api/v1/info", _get("info", lambda _: describe(model, options, defaults))),
            Route("/api/v1/server-config", _get("server-config", lambda _: iopaint_config(model))),
            Route("/api/v1/model", _get("model", lambda _: iopaint_models(model)[0])),
            Route("/health/live", _get("live", lambda _: {"status": "live"})),
            Route("/health/ready", _get("ready", self._ready)),
            Route("/metrics", _get("metrics", self._show_metrics)),
            *_page_routes(),
        ]
        router = Router(self.routes, redirect_slashes=False, lifespan=self._lifespan)
        self.app: ASGIApp = Guard(router, options, self._metrics)

    def stop(self) -> None:
        """Refuse new tasks, and end running ones at their next step."""
        for queue in (self._queue, self._side_queue):
            queue.stop()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        """Wait for the threads at shutdown."""
        yield
        self.stop()
        for queue in (self._queue, self._side_queue):
            await asyncio.to_thread(queue.close)

    async def _inpaint(self, request: Request, send: Send) -> None:
        stream = _accepted(request, (*_IMAGES, STREAM)) == STREAM
        with self._queue.reserve() as queue:
            fields = await self._fields(request, "image", "mask", "edits")
            work = functools.partial(self._worker.repair, fields, whole=not stream)
            if stream:
                await self._stream(request, send, queue, work)
            else:
                await self._answer(request, send, queue, work, fields)

    async def _apply(self, request: Request, send: Send) -> None:
        _accepted(request, _IMAGES)
        with self._side_queue.reserve() as queue:
            fields = await self._fields(request, "image", "edits")
            work = functools.partial(self._worker.apply, fields)
            await self._answer(request, send, queue, work, fields)

    async def _inspect(self, request: Request, send: Send) -> None:
        preview = _accepted(request, ("application/json", *_IMAGES)) != "application/json"
        with self._side_queue.reserve() as queue:
            fields = await self._fields(request, "image")
            work = functools.partial(self._worker.inspect, fields, preview=preview)
            await self._answer(request, send, queue, work, fields)

    async def _fields(self, request: Request, *known: str) -> Fields:
        limit = self._options.max_bytes
        return await read_fields(request, *known, defaults=self._defaults, limit=limit)

    async def _answer(
        self,
        request: Request,
        send: Send,
        queue: WorkQueue,
        work: Callable[[Task], Result],
        fields: Fields,
    ) -> None:
        task = Task(self._options.deadline, lambda _: None)
        async with _stop_with_client(request, task):
            result = await queue.run(work, task)
            self._metrics.observe("queue", task.waited)
            stages = (f"{stage};dur={1000 * took:.1f}" for stage, took in result.seconds.items())
            headers = {"Server-Timing": ", ".join(stages)}
            if result.filename:
                headers["Content-Disposition"] = f'attachment; filename="{result.filename}"'
            if result.notices:
                texts = "; ".join(notice.text.replace("\n", " ") for notice in result.notices)
                ascii_texts = texts.encode("ascii", "replace")[:_WARNING_BYTES].decode()
                headers["X-Csakit-Warnings"] = ascii_texts
            if fields.ignored:
                headers["X-Csakit-Ignored"] = ", ".join(fields.ignored)
            response = Response(result.content, 200, headers, result.media_type)
            await response(request.scope, request.receive, send)

    async def _stream(
        self, request: Request, send: Send, queue: WorkQueue, work: Callable[[Task], Result]
    ) -> None:
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

        def emit(event: Event) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        task = Task(self._options.deadline, emit)
        async with _stop_with_client(request, task):
            headers = [(b"content-type", STREAM.encode()), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            running = asyncio.create_task(self._last_event(request, queue, work, task))
            running.add_done_callback(lambda _: loop.call_soon(events.put_nowait, None))
            try:
                while (event := await events.get()) is not None:
                    await _send_line(send, event)
                await _send_line(send, await running)
                await send({"type": "http.response.body", "body": b""})
            finally:
                task.stop(ClientLeftError())
                if not running.done():
                    with contextlib.suppress(Exception):
                        await running

    async def _last_event(
        self, request: Request, queue: WorkQueue, work: Callable[[Task], Result], task: Task
    ) -> Event:
        try:
            result = await queue.run(work, task)
        except Problem as problem:
            return {
                "event": "error",
                "status": problem.status,
                "detail": problem.detail,
                "request_id": request.scope[REQUEST_ID],
            }
        self._metrics.observe("queue", task.waited)
        seconds = {stage: round(value, 4) for stage, value in result.seconds.items()}
        return {"event": "done", "seconds": seconds}

    def _ready(self, _: Request) -> dict[str, str]:
        if self._queue.stopping:
            raise Problem(503, "the server stops", {"Retry-After": "5"})
        return {"status": "ready"}

    def _show_metrics(self, _: Request) -> Response:
        return PlainTextResponse(self._metrics.render(), media_type="text/plain; version=0.0.4")


class _post:  # noqa: N801 - reads as a function where routes are listed
    """A POST route whose handler sends the answer itself."""

    def __init__(self, name: str, answer: Callable[[Request, Send], Any]) -> None:
        self._name, self._answer = name, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._name
        await self._answer(Request(scope, receive), send)


def _page_routes() -> Iterator[Route]:
    """Yield a route for each file of the page, so that no request path reaches the file system."""
    for path in sorted(_PAGE.iterdir()):
        if kind := _PAGE_TYPES.get(path.suffix):
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            url = "/" if path.name == "index.html" else f"/{path.name}"
            yield Route(url, _get("page", functools.partial(_page_file, content, kind, tag)))


def _page_file(content: bytes, kind: str, tag: str, request: Request) -> Response:
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


def _get(name: str, answer: Callable[[Request], object]) -> Callable[[Request], Any]:
    """Return a GET route, counted under a name; the handler returns JSON values or a response."""

    async def route(request: Request) -> Response:
        request.scope[ROUTE] = name
        found = answer(request)
        if isinstance(found, Response):
            return found
        # Escaped, not as JSONResponse has it: the name of a model may not be Unicode text.
        return Response(json.dumps(found), media_type="application/json")

    return route


@contextlib.asynccontextmanager
async def _stop_with_client(request: Request, task: Task) -> AsyncIterator[None]:
    """Stop the task when the client disconnects."""

    async def until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        task.stop(ClientLeftError())

    gone = asyncio.create_task(until_gone())
    try:
        yield
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone


async def _send_line(send: Send, event: Event) -> None:
    line = json.dumps(event).encode() + b"\n"
    await send({"type": "http.response.body", "body": line, "more_body": True})


def _accepted(request: Request, offered: tuple[str, ...]) -> str:
    """Return the first of the offered media types that a client accepts, or raise Problem."""
    asked = request.headers.get("accept", "*/*")
    for one in asked.split(",")[:20]:
        kind = one.partition(";")[0].strip().lower()
        if kind in ("", "*/*"):
            return offered[0]
        if kind in offered:
            return kind
    raise Problem(406, f"the answer can be {', '.join(offered)}; got Accept: {asked[:80]}")
