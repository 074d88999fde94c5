"""Run the server until a signal stops it."""

import contextlib
import errno
import logging
import socket
import ssl
import webbrowser
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from ...plugins.errors import ContractError
from ..contract import META_PRECISION, META_TRAINED_HOLE, TRAINED_HOLE
from ..files.atomic import sha256
from ..files.failures import failure, is_file
from ..inpainter import Inpainter
from ..options import EngineOptions
from .about import Model
from .app import Web
from .fields import RequestOptions
from .options import CONNECTIONS, STOP_SECONDS, WebOptions

_PORTS_TRIED: Final = 20
_EVERYWHERE: Final = ("0.0.0.0", "::")


class Server(uvicorn.Server):
    """A uvicorn server that first stops the application's tasks."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        """Create a server; ``stop`` is called on SIGINT and SIGTERM."""
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse new requests; a second Ctrl-C does not wait for running ones."""
        self._stop()
        super().handle_exit(sig, frame)


def describe_model(
    inpaint: Inpainter, path: Path, *, device: str | None, backend: str | None
) -> Model:
    """Return the description of an open model."""
    session, engine = inpaint.session, path.suffix.lower() == ".engine"
    stated = session.metadata.get(META_TRAINED_HOLE, "")
    return Model(
        version=metadata.version("csakit"),
        name=path.name,
        sha256=sha256(path),
        precision=session.metadata.get(META_PRECISION, "unknown"),
        backend="tensorrt" if engine else backend or "onnxruntime",
        device=device or ("cuda" if engine else "cpu"),
        size=session.size,
        trained_hole=int(stated) if stated.isdecimal() else TRAINED_HOLE,
        concurrency=EngineOptions.contexts if engine else 1,
    )


def listen(options: WebOptions) -> socket.socket:
    """Return a socket that listens on the host and port of the options."""
    try:
        return _bound(options.host, options.port)
    except OSError as error:
        reason = f"cannot listen on {options.host}: {error.strerror or error}"
        remedy = "--host takes an address of this machine; 0.0.0.0 is all of them."
        if error.errno == errno.EADDRINUSE:
            reason = f"port {options.port} is taken"
            remedy = _next_free(options.host, options.port)
        elif error.errno in (errno.EACCES, errno.EPERM):
            reason = f"port {options.port} may not be used by this user"
            remedy = "Use --port 8080."
        raise ContractError(f"{reason}\n{remedy}") from error


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(found[0], found[1])
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(found[4])
        made.listen(CONNECTIONS)
    except OSError:
        made.close()
        raise
    return made


def _next_free(host: str, port: int) -> str:
    for other in range(port + 1, min(port + _PORTS_TRIED, 65536)):
        with contextlib.suppress(OSError):
            _bound(host, other).close()
            return f"Use --port {other}, which is free, or end what uses {port}."
    return "Use another one: --port NUMBER"


def addresses(options: WebOptions, port: int) -> str:
    """Return the URL to open, with the token where there is one."""
    host = "localhost" if options.loopback else options.host
    if options.host in _EVERYWHERE:
        host = socket.gethostname().lower() if options.allow_hosts else "127.0.0.1"
    if ":" in host:
        host = f"[{host}]"
    scheme = "https" if options.certificate else "http"
    token = f"#token={options.token}" if options.token else ""
    return f"{scheme}://{host}:{port}/{token}"


def make_server(web: Web, options: WebOptions) -> Server:
    """Return the server of an application."""
    config = uvicorn.Config(
        web.app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
    )
    for path in (options.certificate, options.key):
        if path is not None and not is_file(path):
            raise ContractError(f"file not found: {path}")
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        problem = failure(error, f"read {options.certificate}")
        raise ContractError(
            str(problem) if problem else f"the certificate and the key do not fit: {error}"
        ) from error
    return Server(config, web.stop)


def serve(
    inpaint: Inpainter,
    model: Model,
    options: WebOptions,
    defaults: RequestOptions,
    *,
    ready: Callable[[str], None],
    browser: bool,
) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` gets the address once clients can connect."""
    server = make_server(Web(inpaint, model, options, defaults), options)
    with listen(options) as listening:
        address = addresses(options, listening.getsockname()[1])
        ready(address)
        if browser:
            webbrowser.open(address)
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
            server.run(sockets=[listening])
