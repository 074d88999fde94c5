"""One loaded model as every backend offers it, and the choice of a backend by the suffix.

Letters: B images, H W sides in pixels, multiples of 256.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..plugins.errors import ContractError, EngineError
from .contract import Io
from .pixels import Float32, Uint8


class Session(Protocol):
    """One loaded model. Backends differ in speed, never in meaning.

    Both forms of ``run`` work on every model; the one named by ``io`` converts nothing.
    Sessions may be used from several threads at once.
    """

    @property
    def io(self) -> Io:
        """The form the model takes by itself: "float" or "uint8"."""

    @property
    def batch(self) -> int | None:
        """The one batch the model takes; None if it takes any."""

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (H, W) the model takes; None if it takes all multiples of 256."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the export wrote into the model; keys are ``contract.META_*``."""

    def run(self, image: Float32, hole: Float32) -> Float32:
        """Inpaint a batch of network numbers.

        A uint8 model rounds them to 8 bits on the way in; its known pixels are returned as
        they came.

        Args:
            image: (B, 3, H, W) in [-1, 1], RGB.
            hole: (B, 1, H, W) in [0, 1], 1 = missing.

        Returns:
            (B, 3, H, W).

        Raises:
            ContractError: a shape, type or range is wrong, or a number is NaN or infinite.
            EngineError: the session is closed, or the model failed.
        """

    def run_uint8(self, image: Uint8, hole: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images.

        Args:
            image: (B, H, W, 3), RGB.
            hole: (B, H, W, 1), non-zero = missing.

        Returns:
            (B, H, W, 3).

        Raises:
            ContractError: a shape or type is wrong.
            EngineError: the session is closed, the model failed or answered with NaN.
        """

    def close(self) -> None:
        """Release the model. Calling twice is harmless."""


def open_session(
    model: str | Path, *, threads: int | None = None, cache: bool = True, spin: bool = True
) -> Session:
    """Open a model with the backend that its suffix names; never with another one.

    Args:
        model: an ``.onnx`` file written by ``csakit export``.
        threads: of one run; None takes one per physical core that this process may use.
        cache: keep a copy that is optimised for this processor, in ``.csakit-cache`` beside the
            model or among the user's caches, so that the next start is several times shorter.
        spin: threads wait for their next piece of work without sleeping, which is faster only
            where nothing else needs the processor.

    Returns:
        The session. Close it.

    Raises:
        ContractError: the file is absent, unreadable or not a model of csakit, or its
            suffix names no backend.
        EngineError: the engine is damaged, stale or not for this machine; or the suffix
            names a backend that this version does not have.
        LibraryError: the backend is not installed; the text names the extra.
    """
    path = Path(model)
    if threads is not None and threads < 1:
        raise ContractError(f"threads must be at least 1; got {threads}")
    if path.suffix.lower() == ".engine":
        from .diagnosis import diagnose  # deferred: only engines need them
        from .machine import this_machine

        diagnose(path, this_machine()).require_usable()
        raise EngineError(
            f"this version of csakit has no engine backend yet; got {path}\n"
            "Run the .onnx file that the engine was built from."
        )
    if path.suffix.lower() != ".onnx":
        raise ContractError(
            "the suffix of a model chooses its backend and must be .onnx; got "
            f"{path.name!r}\nExport a checkpoint with `csakit export`."
        )
    from .ort_session import OrtSession  # deferred with its backend

    return OrtSession.open(path, threads=threads, cache=cache, spin=spin)
