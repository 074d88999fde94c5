"""Connect to a Ray cluster or start one, and divide it among workers."""

import contextlib
import dataclasses
import logging
import math
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

from ...plugins.errors import ContractError, CsakitError, LibraryError
from ..libraries import import_ray

LOCAL: Final = "local"
AUTO: Final = "auto"
_REMOTE: Final = re.compile(r"ray://([^/:\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")
_OWN_TOKEN: Final = secrets.token_hex(32)  # one per process, as Ray reads it only once
_CONNECT_SECONDS: Final = 10
_STORE_BYTES: Final = 100 << 20  # object store of a local cluster: names only; Ray's minimum is 75


@dataclasses.dataclass(frozen=True, kw_only=True)
class RayOptions:
    """The Ray cluster to use, and its division among workers."""

    # "local" starts a cluster on this machine, "auto" takes the one that this machine is part of
    # (or that RAY_ADDRESS names), "ray://HOST:PORT" connects to another.
    address: str
    workers: int | None = None  # processes with a model each; None: as many as fit
    gpus_each: float | None = None  # a fraction or whole number; None: 1 if the model runs on GPUs

    def __post_init__(self) -> None:
        remote = _REMOTE.fullmatch(self.address)
        if self.address not in (LOCAL, AUTO) and not (remote and int(remote[2]) < 65536):
            raise ContractError(
                f"the Ray cluster must be local, auto or ray://HOST:PORT; got {self.address!r}"
            )
        if self.workers is not None and not 1 <= self.workers <= 10_000:
            raise ContractError(f"Ray workers must be 1 to 10000; got {self.workers}")
        gpus = self.gpus_each
        if gpus is not None and not (0 < gpus <= 1 or (1 < gpus <= 64 and gpus == int(gpus))):
            raise ContractError(
                f"GPUs of a Ray worker must be a share up to 1, or a whole number; got {gpus}"
            )


@contextlib.contextmanager
def connected(options: RayOptions) -> Iterator[None]:
    """Connect to a cluster or start one for a block; reuse an existing connection."""
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    for address in {options.address, os.environ.get("RAY_ADDRESS", "")} - {LOCAL, AUTO, ""}:
        if address == options.address or options.address == AUTO:
            _check_reachable(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with _keep_sigterm_handler():
            if options.address == LOCAL:
                _start(ray)
            else:
                ray.init(options.address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises Exception itself when a cluster does not start
        raise _connection_error(error, options) from error
    ray._private.worker._worker_logs_enabled = False  # Ray prints what it logs to stdout
    try:
        yield
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True


def _start(ray: Any) -> None:  # noqa: ANN401
    with _protect_by_token():
        for last in (False, True):
            try:
                ray.init(
                    LOCAL,
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    log_to_driver=False,
                    configure_logging=False,
                )
                return
            except Exception as error:
                # Ray waits 15 s for its own processes, however busy the machine (Ray's issue
                # 65983); the second time they are in memory.
                if last or "timed out during startup" not in str(error):
                    raise
                ray.shutdown()


def _check_reachable(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        reason = "no answer in 10 s" if isinstance(error, TimeoutError) else str(error)
        raise ContractError(
            f"no Ray cluster can be reached at {address}: {reason}\n"
            "Check `ray status` there; ray:// needs the port of the client server, often 10001."
        ) from error


def _connection_error(error: Exception, options: RayOptions) -> CsakitError:
    text = " ".join(str(error).split())
    if "Version mismatch" in text:
        text = text[text.index("Version mismatch") :]
        return LibraryError(f"{text[:300]}\nInstall the cluster's versions here, or these there.")
    if options.address == AUTO and isinstance(error, ConnectionError):
        return ContractError(
            "no Ray cluster runs on this machine\nStart one with `ray start --head`, name one in "
            "RAY_ADDRESS, or use --ray local."
        )
    remedy = "Try again when the machine is less busy." if "timed out" in text else ""
    return LibraryError(f"Ray did not start or connect: {text[:300]}\n{remedy}".rstrip())


@contextlib.contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Keep this process's SIGTERM handler, which ``ray.init`` replaces."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _protect_by_token() -> Iterator[None]:
    """Protect a local cluster by its own token; Ray would write one to the user's home."""
    if "RAY_AUTH_MODE" in os.environ or "RAY_AUTH_TOKEN" in os.environ:
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = _OWN_TOKEN
    try:
        yield
    finally:
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):  # Ray sets the first
            os.environ.pop(name, None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """Resources of each worker, and the number of workers."""

    workers: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        cores = f"{self.cpus} processor{'' if self.cpus == 1 else 's'}"
        return f"{self.gpus:g} GPU and {cores}" if self.gpus else cores


def share(options: RayOptions, threads: int | None, *, on_gpu: bool) -> Share:
    """Divide the cluster among workers; ``threads`` None divides the smallest machine evenly."""
    nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
    computing = [node for node in nodes if node.get("CPU", 0) >= 1]
    cpus, gpus = threads or 1, (options.gpus_each or 1.0) if on_gpu else 0.0
    if not (on_gpu or threads) and computing:
        each = math.ceil((options.workers or 1) / len(computing))
        cpus = max(1, int(min(node["CPU"] for node in computing)) // each)
    one = Share(workers=1, cpus=cpus, gpus=gpus)
    fit = sum(
        int(min(node["CPU"] // cpus, node.get("GPU", 0) / gpus + 1e-6 if gpus else math.inf))
        for node in computing
    )
    if fit == 0 or (options.address == LOCAL and (options.workers or 1) > fit):
        raise ContractError(
            f"there is room for {fit} Ray workers with {one} each; asked for "
            f"{options.workers or 1}\n"
            "Give each fewer (--threads, --ray-gpus-each), or add machines."
        )
    return dataclasses.replace(one, workers=options.workers or fit)
