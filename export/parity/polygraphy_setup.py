"""Polygraphy as a library: which TensorRT it takes, what it prints, what it raises."""

import contextlib
import sys
import warnings
from collections.abc import Iterator

from ...plugins.errors import EngineError

_READS_THE_CHOICE = "polygraphy.backend.trt"  # when it is imported


@contextlib.contextmanager
def quiet(what: str = "Polygraphy") -> Iterator[None]:
    """Silence Polygraphy, and convert its exceptions.

    Args:
        what: it is doing, for the error.

    Yields:
        Nothing.

    Raises:
        EngineError: Polygraphy gave up; its last word is in the text.
    """
    from polygraphy.exception import PolygraphyException
    from polygraphy.logger import G_LOGGER

    try:
        with G_LOGGER.verbosity(G_LOGGER.CRITICAL), warnings.catch_warnings():
            # It calls what the newest TensorRT deprecates; nobody here can change that.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except PolygraphyException as error:
        raise EngineError(f"{what} failed: {error}\nSee: csakit doctor") from error


def choose_tensorrt(module: str) -> None:
    """Select the TensorRT module that Polygraphy uses in this process.

    Args:
        module: "tensorrt" or "tensorrt_rtx".

    Raises:
        EngineError: this process has used the other one, which cannot be taken back.
    """
    from polygraphy import config

    rtx = module == "tensorrt_rtx"
    if _READS_THE_CHOICE in sys.modules and rtx != config.USE_TENSORRT_RTX:
        raise EngineError(
            f"Polygraphy uses one TensorRT in a process and has taken the other one; got {module}\n"
            "Compare this engine in a process of its own."
        )
    config.USE_TENSORRT_RTX = rtx
