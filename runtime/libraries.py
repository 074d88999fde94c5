"""Import ONNX Runtime, OpenVINO and Ray when needed, with their telemetry off.

By default the first two write an id to the user's home and look up a host when imported;
``csakit.runtime`` sets the variable that onnxruntime reads.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from ..plugins.errors import LibraryError
from .files.failures import failure

_OPENVINO_TELEMETRY: Final = "openvino_telemetry"
_BLOCKING: Final = threading.Lock()  # threads would restore each other's state


def import_onnxruntime() -> Any:  # noqa: ANN401
    """Return the module onnxruntime; LibraryError if it is not installed or broken."""
    with _failures_as_errors("onnxruntime", "running an .onnx model", "runtime"):
        import onnxruntime
    return onnxruntime


def import_openvino() -> Any:  # noqa: ANN401
    """Return the module openvino; see ``import_onnxruntime``."""
    translated = _failures_as_errors("openvino", "the backend openvino", "openvino")
    with translated, _without(_OPENVINO_TELEMETRY):
        import openvino
    return openvino


def import_ray() -> Any:  # noqa: ANN401
    """Return the module ray, with its usage reports off by default."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _failures_as_errors("ray", "--ray", "ray"):
        import ray
    return ray


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """Block imports of a module, for which OpenVINO then uses an empty stub."""
    with _BLOCKING:
        before = sys.modules.get(module)
        sys.modules[module] = None  # type: ignore[assignment]  # makes imports fail
        try:
            yield
        finally:
            del sys.modules[module]
            if before is not None:
                sys.modules[module] = before


@contextlib.contextmanager
def _failures_as_errors(module: str, user: str, extra: str) -> Iterator[None]:
    """Turn a failed import into LibraryError that names ``user`` and what to install."""
    try:
        yield
    except Exception as error:  # a broken wheel fails in any way
        raise _failed(error, module, user, extra) from error


def _failed(error: Exception, module: str, user: str, extra: str) -> BaseException:
    cause: BaseException | None = error
    while cause is not None:  # native modules wrap KeyboardInterrupt
        if isinstance(cause, KeyboardInterrupt):
            return cause
        if problem := failure(cause, f"import {module}"):
            return problem
        cause = cause.__cause__ or cause.__context__
    absent = isinstance(error, ModuleNotFoundError) and error.name == module
    how = "it with: pip install" if absent else "it again with: pip install --force-reinstall"
    return LibraryError(
        f"{user} needs the package {module}: {error}\n"
        f"Install {how} 'csakit[{extra}]'   (`csakit doctor` says more)"
    )
