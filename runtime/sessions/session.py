"""The session interface of all backends, and the choice of the backend for a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

from ...plugins.errors import ContractError
from ..contract import ComputePrecision, IOFormat
from ..files.onnx_header import with_weights
from ..host import parse_device
from ..options import EngineOptions
from ..tensors.pixels import Float32, Uint8

Backend = Literal["onnxruntime", "openvino"]  # of .onnx files; the first is the default
THREADS_MAX: Final = 1024  # more than any processor has; onnxruntime would start them all
BACKENDS: Final[tuple[Backend, ...]] = get_args(Backend)


class Session(Protocol):
    """A loaded model. Backends differ in speed, not in results.

    Both run methods work with every model; that of the form ``io`` needs no conversion. Several
    threads may use a session at once.
    """

    @property
    def io(self) -> IOFormat:
        """The form of the model's tensors: "float" or "uint8"."""

    @property
    def batch(self) -> int | None:
        """The one batch the model takes; None if it takes any."""

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (H, W) the model takes; None if it takes all multiples of 256."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the exported model; keys are ``contract.META_*``."""

    def run(self, image: Float32, mask: Float32) -> Float32:
        """Inpaint a batch of float images.

        For a uint8 model they are rounded to 8 bits; known pixels are returned unchanged.

        Args:
            image: (B, 3, H, W) in [-1, 1], RGB.
            mask: (B, 1, H, W) in [0, 1], 1 = missing.

        Returns:
            (B, 3, H, W).

        Raises:
            ContractError: a shape, type or range is wrong, or a number is NaN or infinite.
            EngineError: the session is closed, or the model failed.
        """

    def run_uint8(self, image: Uint8, mask: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images.

        Args:
            image: (B, H, W, 3), RGB.
            mask: (B, H, W, 1), non-zero = missing.

        Returns:
            (B, H, W, 3).

        Raises:
            ContractError: a shape or type is wrong.
            EngineError: the session is closed, the model failed or answered with NaN.
        """

    def close(self) -> None:
        """Release the model. Calling twice is harmless."""


def open_session(
    model: str | Path,
    *,
    device: str | None = None,
    threads: int | None = None,
    cache: bool = True,
    spin: bool = True,
    check_finite: bool = False,
    engine: EngineOptions | None = None,
    backend: Backend | None = None,
    precision: ComputePrecision | None = None,
) -> Session:
    """Open a model with the stated backend, or that of its suffix; there is no fallback.

    Weights beside a model may be mapped into memory while it is open: to replace such a
    file, rename another one, as csakit does, and never write into it.

    Args:
        model: an ``.onnx`` file written by ``csakit export``, or an ``.engine`` file written by
            ``csakit build``.
        device: "cpu", "cuda" or "cuda:1"; None runs models on the CPU and engines on GPU 0.
            Nothing falls back to the CPU.
        threads: of one run on the CPU; None takes one per physical core of this process.
        cache: keep a copy of a model that is optimised for this processor, in ``.csakit-cache``
            beside the model or among the user's caches, for a shorter next start. CPU only.
        spin: threads wait for work, or for the GPU, without sleeping, which is faster only where
            nothing else needs the processor.
        check_finite: refuse float answers with NaN or infinity; pixels are always checked.
        engine: how an engine is run; None takes the defaults.
        backend: of an ``.onnx`` file: "onnxruntime", the default, or "openvino", which keeps
            no copy and whose threads never spin.
        precision: what openvino computes the networks in: "fp32", the default, or "bf16".

    Returns:
        The session, to be closed.

    Raises:
        ContractError: the file is absent or not a model of csakit, or an option is wrong.
        EngineError: the engine is damaged, stale or not for this machine, or the GPU fails.
        LibraryError: the backend is not installed, or the processor lacks the precision.
    """
    path = Path(model)
    _check_backend(path, backend, precision)
    if threads is not None and not 1 <= threads <= THREADS_MAX:
        raise ContractError(f"threads must be 1 to {THREADS_MAX}; got {threads}")
    if path.suffix.lower() == ".engine":
        from ..engine.open_engine import device_number, open_engine_session  # deferred: GPUs only

        number = device_number(device, path)
        return open_engine_session(
            path, device=number, options=engine, check_finite=check_finite, spin=spin
        )
    path = with_weights(path)
    kind, number = parse_device(device or "cpu")
    common: dict[str, Any] = {"threads": threads, "check_finite": check_finite}
    if backend == "openvino":
        if kind != "cpu":
            raise ContractError(f"the backend openvino runs on the CPU; got the device {kind!r}")
        from .openvino_session import OpenVinoSession  # deferred, as below

        return OpenVinoSession.open(path, precision=precision, **common)
    if kind == "cuda":
        from .ort_cuda_session import OrtCudaSession

        return OrtCudaSession.open_on(path, device=number, spin=spin, **common)
    from .ort_session import OrtSession

    return OrtSession.open(path, cache=cache, spin=spin, **common)


def _check_backend(path: Path, backend: str | None, precision: str | None) -> None:
    """Refuse an unknown backend or suffix, and options that the backend does not have."""
    if backend not in (None, *BACKENDS):
        raise ContractError(f"backend must be one of {BACKENDS}; got {backend!r}")
    if backend is not None and path.suffix.lower() == ".engine":
        raise ContractError(f"an engine runs in TensorRT alone; got {path.name}, {backend}")
    if precision is not None and backend != "openvino":
        raise ContractError(
            f"precision can be chosen for the openvino backend only; got {precision!r}\n"
            'Choose it there (backend="openvino", --backend openvino), or when the model is '
            "exported."
        )
    if path.suffix.lower() not in (".onnx", ".engine"):
        raise ContractError(
            "the suffix of a model chooses its backend and must be .onnx or .engine; got "
            f"{path.name!r}\nExport a checkpoint with `csakit export`."
        )
