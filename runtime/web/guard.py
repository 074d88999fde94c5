"""Checks of every request: client, origin, size and rate, all from the ASGI scope."""

import asyncio
import ipaddress
import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .options import BODY_SECONDS, CHUNK_SECONDS, WebOptions
from .problem import GONE, ClientLeftError, Problem, problem_response

logger = logging.getLogger(__name__)

REQUEST_ID: Final = "csakit.request_id"  # key of the scope
ROUTE: Final = "csakit.route"
_KNOWN_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_SAFE_METHODS: Final = ("GET", "HEAD")
_UNKNOWN: Final = "there is nothing at this path\nThe API is described at /openapi.json."
_TOKEN_PATHS: Final = ("/api/v1/", "/metrics")
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {  # of every answer
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_CLOSE: Final = {"Connection": "close"}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, options: WebOptions, metrics: Metrics) -> None:
        self._app = app
        self._options = options
        self._metrics = metrics
        self._hosts = {"localhost", *(name.lower() for name in options.allow_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; never raise."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        # With "app" the router raises its refusals instead of answering in plain text.
        scope[REQUEST_ID], scope[ROUTE], scope["app"] = request_id, "other", self
        answer = _Answer(scope, receive, send)
        try:
            self._admit(scope, headers)
            body = _Body(receive, self._options.max_bytes, self._metrics)
            await self._app(scope, body, answer)
        except Problem as problem:
            await answer.refuse(problem)
        except HTTPException as error:  # the router's: unknown paths and methods
            detail = _UNKNOWN if error.status_code == 404 else str(error.detail)
            await answer.refuse(Problem(error.status_code, detail, error.headers))
        except (ClientDisconnect, ClientLeftError, ConnectionError):
            answer.status = GONE
        except Exception:
            logger.exception("request %s failed", request_id)
            await answer.refuse(Problem(500, "the server failed; its log says more"))
        finally:
            self._metrics.count(str(scope[ROUTE]), answer.status)

    def _admit(self, scope: Scope, headers: Headers) -> None:
        """Raise Problem for a request to refuse, before its body is read."""
        host = _single(headers, "host", 400) or ""
        match = _HOST.fullmatch(host)
        if match is None or not self._known(match[1]):
            raise Problem(
                421, "this server does not answer to that name\nAllow it with --allow-host NAME."
            )
        if scope["method"] not in _SAFE_METHODS:
            _check_origin(headers, host)
            self._check_length(headers)
        if self._options.token and scope["path"].startswith(_TOKEN_PATHS):
            self._check_token(headers, self._options.token)

    def _known(self, name: str) -> bool:
        """Report whether a host name is allowed; addresses are, as DNS rebinding needs a name."""
        if name.lower() in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _check_length(self, headers: Headers) -> None:
        """Refuse a body whose Content-Length is too large or no number."""
        stated = _single(headers, "content-length", 400)
        if stated is None:
            return
        if not re.fullmatch(r"[0-9]{1,18}", stated):
            raise Problem(400, "Content-Length must be a whole number")
        if int(stated) > self._options.max_bytes:
            raise _too_large(self._options.max_bytes)

    def _check_token(self, headers: Headers, token: str) -> None:
        given = (_single(headers, "authorization", 401) or "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode("latin-1"), token.encode()):
            raise Problem(
                401,
                "this server needs its token, as 'Authorization: Bearer TOKEN'\n"
                "Open the address that the server printed when it started.",
                {"WWW-Authenticate": "Bearer"},
            )


class _Answer:
    """The answer to a request, sent with the common headers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.status = GONE
        self._started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers.update({**HEADERS, "x-request-id": self._scope[REQUEST_ID]})
            headers.setdefault("cache-control", "no-store")
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Send a problem, unless an answer has begun."""
        if self._started:
            return
        kinds = Headers(scope=self._scope).getlist("content-type")
        errors = any(kind.startswith("application/json") for kind in kinds)  # clients of IOPaint
        response = problem_response(problem, self._scope[REQUEST_ID], errors=errors)
        try:
            await response(self._scope, self._receive, self)
        except ConnectionError:
            self.status = GONE


class _Body:
    """The body of a request, limited in size and in the wait for each piece."""

    def __init__(self, receive: Receive, limit: int, metrics: Metrics) -> None:
        self._receive = receive
        self._limit = limit
        self._metrics = metrics
        self._count = 0
        self._whole = False
        self._end = time.monotonic() + BODY_SECONDS

    async def __call__(self) -> Message:
        """Receive one message; once the body is whole, wait for the client to leave."""
        if self._whole:
            return await self._receive()
        seconds = max(0.001, min(CHUNK_SECONDS, self._end - time.monotonic()))
        try:
            message = await asyncio.wait_for(self._receive(), seconds)
        except asyncio.TimeoutError:
            raise Problem(
                408, "the body of the request came too slowly\nSend it again.", _CLOSE
            ) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._metrics.add("bytes", size)
            self._count += size
            if self._count > self._limit:
                raise _too_large(self._limit)
            self._whole = not message.get("more_body", False)
        return message


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"a request may have at most {limit >> 20} MiB\n"
        "Save the picture with less quality, or start the server with a larger --max-upload.",
        _CLOSE,
    )


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse requests by other pages in a visitor's browser."""
    site = _single(headers, "sec-fetch-site", 403)
    origin = _single(headers, "origin", 403)
    own = origin is None or origin.partition("://")[2].lower() == host.lower()
    if site not in (None, "same-origin", "none") or not own:
        raise Problem(403, "requests from other pages are refused; use the server's own page")


def _single(headers: Headers, name: str, status: int) -> str | None:
    """Return the value of a header that may be sent once; None if it is absent."""
    values = headers.getlist(name)
    if len(values) > 1:
        raise Problem(status, f"the header {name} must be sent once; got {len(values)}")
    return values[0] if values else None


def _request_id(headers: Headers) -> str:
    """Return the client's request ID if it is harmless, else a new one."""
    values = headers.getlist("x-request-id")
    if len(values) == 1 and _KNOWN_ID.fullmatch(values[0]):
        return values[0]
    return secrets.token_hex(8)
