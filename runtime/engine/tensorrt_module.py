"""A TensorRT module, its log, and the CSA plugin in its registry, for building and running."""

import dataclasses
import importlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ...plugins import spec
from ...plugins.errors import EngineError, LibraryError
from ...plugins.installed import library_status
from ...plugins.library import find_library
from ...plugins.python_plugin import register
from ...plugins.tensorrt_flavours import FLAVOURS
from ..device.binding import OUT_OF_MEMORY, OutOfMemoryError

logger = logging.getLogger(__name__)

# TensorRT's source locations and error classes, which messages to users leave out.
_NOISE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\[[\w./]+\.(cpp|h):\d+: ?\w+\] ?",
        r"\[[\w./]+\.(cpp|h)::\w+::\d+\] ?",
        r"\b[\w./]+\.(cpp|h):\d+: ?",
        r" *\bIn \w+ at [\w./]+:\d+",
        r"^I\w+::\w+: ",
        r"^Error Code \d+: [\w ]+(?= \()",
    )
)


@dataclasses.dataclass(frozen=True)
class TensorRTModule:
    """A Python module of TensorRT with its log."""

    name: str  # name of the Python module
    trt: ModuleType
    log: Any  # an ``ILogger`` that forwards to ``logging``; see ``_make_log``

    @classmethod
    def load(cls, name: str) -> "TensorRTModule":
        """Import a module; LibraryError if it cannot be, or is older than csakit supports."""
        flavour = FLAVOURS[name]
        try:
            trt = importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:  # or a wheel without its libraries
            raise LibraryError(
                f"the Python package {name} cannot be imported: {error}\n"
                f"Install it with: pip install {flavour.install}   or see: csakit doctor"
            ) from error
        if not flavour.supports(trt.__version__):
            raise LibraryError(
                f"{flavour.title} must be 10.3 or newer; got {trt.__version__}\n"
                f"Update it with: pip install --upgrade {flavour.install}"
            )
        return cls(name, trt, _make_log(trt))

    @property
    def version(self) -> str:
        """Version of the module."""
        return str(self.trt.__version__)

    @property
    def title(self) -> str:
        """Name and version for messages."""
        return f"{FLAVOURS[self.name].title} {self.version}"

    def has(self, owner: str, name: str) -> bool:
        """Report whether a class or an enumeration of this version has a member."""
        return hasattr(getattr(self.trt, owner, None), name)

    def failure(self, what: str, remedy: str) -> EngineError:
        """Return the error for a call that returned nothing, with the logged reason."""
        reason = self.log.reason() or "no reason given"
        text = f"{self.title} {what}: {reason}\n{remedy}"
        if "out of memory" in reason.lower() or "OutOfMemory" in reason:
            return OutOfMemoryError(self.title, OUT_OF_MEMORY, reason, text)
        return EngineError(text)


def _make_log(trt: ModuleType) -> Any:  # noqa: ANN401
    levels: dict[Any, Callable[[str], None]] = {
        trt.ILogger.INTERNAL_ERROR: logger.error,
        trt.ILogger.ERROR: logger.error,
        trt.ILogger.WARNING: logger.warning,
        trt.ILogger.INFO: logger.info,
    }

    class Log(trt.ILogger):  # type: ignore[name-defined, misc]
        """TensorRT calls it from any thread."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: list[str] = []
            self._complaints: list[str] = []

        def log(self, severity: object, message: str) -> None:
            if severity == trt.ILogger.VERBOSE:  # up to a million of them while building
                if logger.isEnabledFor(logging.DEBUG):
                    logger.debug(message)
                return
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self._errors.append(message)
            if severity != trt.ILogger.INFO:
                self._complaints.append(message)
            levels.get(severity, logger.debug)(message)

        def reason(self) -> str:
            """Return the last error, which is the one that ended the call."""
            return plain(self._errors[-1]) if self._errors else ""

        def complaints(self) -> list[str]:
            """Return all warnings and errors."""
            return self._complaints

        def clear(self) -> None:
            """Forget all messages."""
            self._errors.clear()
            self._complaints.clear()

    return Log()


def plain(message: str) -> str:
    """Reduce a message of TensorRT to one line without source files and codes."""
    text = " ".join(message.split())
    for noise in _NOISE:
        text = noise.sub("", text)
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


@dataclasses.dataclass(frozen=True)
class LoadedPlugin:
    """The plugin that an engine is built or opened with."""

    implementation: str  # "c++" or "python"; an engine built with one runs with the other
    library: Path  # the file that holds it, or the kernels it calls
    source_hash: str | None  # of the library's sources; None if unknown
    architectures: tuple[str, ...] = ()  # with code in the library; empty if unknown


def load_plugin(
    module: TensorRTModule,
    *,
    embed: bool = False,
    known: Path | None = None,
    registry: Any = None,  # noqa: ANN401
) -> LoadedPlugin:
    """Load the C++ plugin, perhaps from a ``known`` path; else, unless to embed, the Python one."""
    try:
        path = find_library("csakit_trt", known)
    except LibraryError as missing:
        if embed:
            raise
        return _load_python(module, missing)
    if registry is None:  # the process-wide one; engines with the plugin inside use theirs
        registry = module.trt.get_plugin_registry()
    rebuild = "Build it again: csakit plugin build --tensorrt-include DIR"
    if not registered(registry):
        module.log.clear()
        if registry.load_library(str(path)) is None:
            raise module.failure(f"cannot load {path}", rebuild)
    if not registered(registry):
        text = f"{path} registered no plugin {spec.NAME} version {spec.VERSION}"
        raise EngineError(f"{text}\n{rebuild}")
    status = library_status("csakit_trt", known)
    return LoadedPlugin("c++", path, status.source_hash, status.architectures)


def registered(registry: Any) -> bool:  # noqa: ANN401
    """Report whether TensorRT's registry has a plugin of our name, version and namespace."""
    wanted = (spec.NAME, spec.VERSION, spec.NAMESPACE)
    creators = registry.all_creators
    return any((c.name, c.plugin_version, c.plugin_namespace) == wanted for c in creators)


def _load_python(module: TensorRTModule, missing: LibraryError) -> LoadedPlugin:
    """Register the Python plugin, which needs libcsakit and no headers of TensorRT."""
    try:
        register(module.trt)
        path = find_library()
    except LibraryError as error:
        raise LibraryError(
            "the plugin is not built: neither libcsakit_trt (C++) nor libcsakit (for the one in "
            f"Python)\nBuild it with: {str(missing).rpartition(': ')[2]}\n"
            "or: csakit plugin build   or take the slower function body: --no-plugin"
        ) from error
    logger.warning("libcsakit_trt is not built; taking the plugin in Python")
    status = library_status()
    return LoadedPlugin("python", path, status.source_hash, status.architectures)
