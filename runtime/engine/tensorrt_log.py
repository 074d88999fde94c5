"""What TensorRT says: forwarded to ``logging``, kept for error texts, and put in plain words."""

import logging
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

# Where in TensorRT's own sources something was noticed, and which class of error it is.
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

logger = logging.getLogger(__name__)


def make_log(trt: ModuleType) -> Any:  # noqa: ANN401
    """Make a logger that forwards to ``logging`` and remembers errors.

    Args:
        trt: the module.

    Returns:
        An ``ILogger`` with the methods ``reason()``, the last error since ``clear()``, in
        plain words; ``complaints()``, all warnings and errors since; and ``clear()``.
    """
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
            """Give the last error, which is the one that ended the call."""
            return plain(self._errors[-1]) if self._errors else ""

        def complaints(self) -> list[str]:
            """Give all warnings and errors."""
            return self._complaints

        def clear(self) -> None:
            """Forget what was said."""
            self._errors.clear()
            self._complaints.clear()

    return Log()


def plain(message: str) -> str:
    """Reduce a message of TensorRT to what it says: one line, no source files, no codes.

    Args:
        message: as logged.

    Returns:
        Text.
    """
    text = " ".join(message.split())
    for noise in _NOISE:
        text = noise.sub("", text)
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text
