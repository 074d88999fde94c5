"""One loaded model as every backend offers it, and the choice of a backend by the suffix.

Letters: B images, H W sides in pixels, multiples of 256.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..plugins.errors import ContractError, EngineError
from .contract import HOLE, IMAGE, SIZE_MULTIPLE, Io
from .pixels import Float32, Uint8

RANGE_TOLERANCE = 1e-3  # beyond [-1, 1] and [0, 1]; rounding stays far below, pixels far above


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


def open_session(model: str | Path, *, threads: int | None = None) -> Session:
    """Open a model with the backend that its suffix names; never with another one.

    Args:
        model: an ``.onnx`` file written by ``csakit export``.
        threads: of one run; None takes one per physical core that this process may use.

    Returns:
        The session. Close it.

    Raises:
        ContractError: the file is absent, unreadable or not a model of csakit, or its
            suffix names no backend.
        EngineError: the suffix names a backend that this version does not have.
        LibraryError: the backend is not installed; the text names the extra.
    """
    path = Path(model)
    if threads is not None and threads < 1:
        raise ContractError(f"threads must be at least 1; got {threads}")
    if path.suffix.lower() == ".engine":
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

    return OrtSession.open(path, threads=threads)


def check_floats(image: Float32, hole: Float32) -> None:
    """Refuse tensors that ``Session.run`` does not take. NaN fails every range.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        hole: (B, 1, H, W) in [0, 1].

    Raises:
        ContractError: a shape, type or range is wrong.
    """
    _check_array(IMAGE, image, np.float32, "(B, 3, H, W)", image.shape[1:2] == (3,))
    _check_array(HOLE, hole, np.float32, "(B, 1, H, W)", hole.shape[1:2] == (1,))
    _check_sides(image.shape[0], image.shape[2:], hole.shape[0], hole.shape[2:])
    _check_range(IMAGE, image, -1)
    _check_range(HOLE, hole, 0)


def check_pixels(image: Uint8, hole: Uint8) -> None:
    """Refuse tensors that ``Session.run_uint8`` does not take.

    Args:
        image: (B, H, W, 3).
        hole: (B, H, W, 1).

    Raises:
        ContractError: a shape or type is wrong.
    """
    _check_array(IMAGE, image, np.uint8, "(B, H, W, 3)", image.shape[3:] == (3,))
    _check_array(HOLE, hole, np.uint8, "(B, H, W, 1)", hole.shape[3:] == (1,))
    _check_sides(image.shape[0], image.shape[1:3], hole.shape[0], hole.shape[1:3])


def _check_array(
    name: str, array: npt.NDArray[np.generic], dtype: type, shape: str, channels_fit: bool
) -> None:
    """Refuse another type, rank or number of channels."""
    if array.dtype != dtype or array.ndim != 4 or not channels_fit:
        raise ContractError(
            f"{name} must be {shape} {np.dtype(dtype)}; got {array.shape} {array.dtype}"
        )


def _check_sides(
    images: int, sides: tuple[int, ...], holes: int, hole_sides: tuple[int, ...]
) -> None:
    """Refuse an empty batch, tensors that disagree, and sides the networks cannot halve."""
    if (images, *sides) != (holes, *hole_sides):
        raise ContractError(
            f"{IMAGE} and {HOLE} must agree in B, H, W; got {(images, *sides)} and "
            f"{(holes, *hole_sides)}"
        )
    if images == 0 or 0 in sides or any(side % SIZE_MULTIPLE for side in sides):
        raise ContractError(
            f"B must be positive, H and W multiples of {SIZE_MULTIPLE}; got B={images}, "
            f"H={sides[0]}, W={sides[1]}\nUse Inpainter for images of other sizes."
        )


def _check_range(name: str, numbers: Float32, low: int) -> None:
    """Refuse numbers outside of [low, 1]; one pass each for minimum and maximum."""
    least, most = float(numbers.min()), float(numbers.max())
    if not (low - RANGE_TOLERANCE <= least and most <= 1 + RANGE_TOLERANCE):
        raise ContractError(
            f"{name} must be finite and in [{low}, 1]; got values from {least:g} to {most:g}"
        )
