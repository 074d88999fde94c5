"""ONNX Runtime, OpenVINO and Ray, imported when needed and with their telemetry off.

Otherwise the first two write an id to the user's home and look a host up when they are imported;
``csakit.runtime`` sets what onnxruntime reads.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from ..plugins.errors import LibraryError
from .files.failures import failure

_OPENVINO_TELEMETRY: Final = "openvino_telemetry"


def import_onnxruntime() -> Any:  # noqa: ANN401
    """Return the module onnxruntime; LibraryError if it is not installed or broken."""
    try:
        import onnxruntime
    except Exception as error:  # a broken wheel fails in any way
        raise _failed(error, "onnxruntime", "running an .onnx model", "runtime") from error
    return onnxruntime


def import_openvino() -> Any:  # noqa: ANN401
    """Return the module openvino; see ``import_onnxruntime``."""
    try:
        with _without(_OPENVINO_TELEMETRY):
            import openvino
    except Exception as error:  # as above
        raise _failed(error, "openvino", "the backend openvino", "openvino") from error
    return openvino


def import_ray() -> Any:  # noqa: ANN401
    """Return the module ray, with its usage reports off by default."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except Exception as error:  # as above
        raise _failed(error, "ray", "--ray", "ray") from error
    return ray


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """Block imports of a module; OpenVINO then uses an empty stub."""
    before = sys.modules.get(module)
    sys.modules[module] = None  # type: ignore[assignment]  # what Python's import refuses
    try:
        yield
    finally:
        del sys.modules[module]
        if before is not None:
            sys.modules[module] = before


def _failed(error: Exception, module: str, user: str, extra: str) -> BaseException:
    """Return what to raise for a failed import."""
    cause: BaseException | None = error
    while cause is not None:  # native modules wrap what interrupts their start
        if isinstance(cause, KeyboardInterrupt):
            return cause
        if problem := failure(cause, f"import {module}"):
            return problem
        cause = cause.__cause__ or cause.__context__
    absent = isinstance(error, ModuleNotFoundError) and error.name == module
    remedy = (
        f"Install it with: pip install 'csakit[{extra}]'"
        if absent
        else f"Install it again with: pip install --force-reinstall 'csakit[{extra}]'"
    )
    return LibraryError(
        f"{user} needs the package {module}: {error}\n{remedy}   (`csakit doctor` says more)"
    )
