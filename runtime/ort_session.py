"""ONNX Runtime on the CPU. The only module that imports onnxruntime, when a model is opened.

Letters: B images, H W sides in pixels.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..plugins.errors import ContractError, EngineError, LibraryError
from .contract import HOLE, IMAGE, RESULT, Io
from .cpu import physical_cores
from .pixels import Bool, Float32, Uint8, float_from_uint8, uint8_from_float
from .signature import Signature, read_signature
from .tensors import check_floats, check_pixels

_PROVIDERS = ["CPUExecutionProvider"]
_LOG_ERRORS_ONLY = 3  # failures reach the caller as exceptions; its warnings are no one's remedy


@dataclasses.dataclass
class OrtSession:
    """A model on ONNX Runtime; see ``csakit.runtime.session.Session``.

    Attributes:
        path: of the model.
        signature: what it takes.
        metadata: what the export wrote into it.
    """

    path: Path
    signature: Signature
    metadata: Mapping[str, str]
    _session: Any  # onnxruntime.InferenceSession, which may run in several threads; None: closed

    @classmethod
    def open(cls, path: Path, *, threads: int | None = None) -> "OrtSession":
        """Load a model.

        Args:
            path: of the ``.onnx`` file; external weights lie beside it.
            threads: of one run; None takes one per physical core.

        Returns:
            The session.

        Raises:
            ContractError: the file is absent, unreadable, or not a model of csakit.
            LibraryError: onnxruntime is not installed or cannot be imported.
        """
        if not path.is_file():
            raise ContractError(f"the model must be an existing file; got {path}")
        session = _load(path, threads or physical_cores())
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        signature = read_signature(
            path, metadata, inputs=session.get_inputs(), outputs=session.get_outputs()
        )
        return cls(path, signature, metadata, session)

    @property
    def io(self) -> Io:
        """The form the model takes by itself."""
        return self.signature.io

    @property
    def batch(self) -> int | None:
        """The one batch the model takes; None if it takes any."""
        return self.signature.batch

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (H, W) the model takes; None if it takes all multiples of 256."""
        return self.signature.size

    def run(self, image: Float32, hole: Float32) -> Float32:
        """Inpaint a batch of network numbers; see ``Session.run``."""
        check_floats(image, hole)
        self.signature.check(image.shape[0], image.shape[2:])
        if self.io == "float":
            numbers: Float32 = self._run(image, hole)
            return numbers
        missing: Bool = hole > 0.5
        pixels = self._run(uint8_from_float(image), _channels_last(missing))
        return np.where(missing, float_from_uint8(pixels), image)

    def run_uint8(self, image: Uint8, hole: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images; see ``Session.run_uint8``."""
        check_pixels(image, hole)
        self.signature.check(image.shape[0], image.shape[1:3])
        if self.io == "uint8":
            pixels: Uint8 = self._run(image, hole)
            return pixels
        missing = np.ascontiguousarray((hole != 0).transpose(0, 3, 1, 2), dtype=np.float32)
        return uint8_from_float(self._run(float_from_uint8(image), missing))

    def close(self) -> None:
        """Release the model; a run in another thread still ends well."""
        self._session = None

    def _run(self, image: np.ndarray[Any, Any], hole: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401
        """Run the model on tensors of its own form."""
        session = self._session
        if session is None:
            raise EngineError(f"the session of {self.path} is closed; open it again")
        try:
            return session.run([RESULT], {IMAGE: image, HOLE: hole})[0]
        except Exception as error:  # onnxruntime's classes share no base but this one
            raise EngineError(f"{self.path} failed on {image.shape}: {_reason(error)}") from error


def _load(path: Path, threads: int) -> Any:  # noqa: ANN401
    """Open the file with the options that matter for latency on a CPU."""
    ort = _library()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1  # the graph is a chain; its operators cannot overlap
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # The blocked NCHWc layout comes with the last level: 10 to 25 % against the one below it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True  # without it, every run pays the page faults: +25 %
    options.log_severity_level = _LOG_ERRORS_ONLY
    try:
        # By its path, not its bytes: external weights are then found and memory-mapped.
        return ort.InferenceSession(str(path), options, providers=_PROVIDERS, enable_fallback=0)
    except Exception as error:  # onnxruntime's classes share no base but this one
        raise ContractError(
            f"{path} must be a complete ONNX model: {_reason(error)}\n"
            "Copy it again, with the .weights file beside it if it has one, or export it again "
            "with `csakit export`."
        ) from error


def _library() -> Any:  # noqa: ANN401
    """Import onnxruntime."""
    try:
        import onnxruntime
    except ImportError as error:
        raise LibraryError(
            f"running an .onnx model needs onnxruntime: {error}\n"
            "Install it with: pip install 'csakit[runtime]'   (`csakit doctor` says more)"
        ) from error
    return onnxruntime


def _reason(error: Exception) -> str:
    """Return the first line of what onnxruntime said, without its codes."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text.split(" : ")[-1]


def _channels_last(missing: Bool) -> Uint8:
    """Turn (B, 1, H, W) into (B, H, W, 1)."""
    return np.ascontiguousarray(missing.transpose(0, 2, 3, 1), dtype=np.uint8)
