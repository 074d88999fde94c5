"""OpenVINO on the CPU, in float32 or in bfloat16. Imports openvino when a model is opened."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...plugins.errors import ContractError, EngineError, LibraryError
from ..contract import IMAGE, MASK, META_PRECISION, OUTPUT, ComputePrecision
from ..files.failures import failure
from ..files.onnx_header import read_onnx_header
from ..files.onnx_weights import require_finite_weights
from ..host import has_bfloat16, physical_cores
from ..libraries import import_openvino
from ..tensors.conversion import Array, require_checkable
from ..tensors.signature import Signature, read_signature
from .base import LoadedSession
from .ort_session import require_file

DEVICE: Final = "CPU"
PRECISIONS: Final[Mapping[ComputePrecision, str]] = {
    "fp32": "f32",
    "bf16": "bf16",
}  # OpenVINO's names


@dataclasses.dataclass(eq=False)
class OpenVinoSession(LoadedSession):
    """A model on OpenVINO; CSA, masks and compositing are float32 in any precision."""

    precision: ComputePrecision = "fp32"
    library = "OpenVINO"

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        threads: int | None = None,
        precision: ComputePrecision | None = None,
        check_finite: bool = False,
    ) -> "OpenVinoSession":
        """Load a model in fp32, to be computed in "fp32" or "bf16"; see ``open_session``."""
        precision = precision or "fp32"
        if precision not in PRECISIONS:
            raise ContractError(f"precision must be one of {(*PRECISIONS,)}; got {precision!r}")
        signature, metadata = _declared(path)
        require_checkable(signature.io, check_finite=check_finite)
        require_finite_weights(path)
        core = import_openvino().Core()
        # With mapping, a file changed in place would kill the process (SIGBUS).
        core.set_property({"ENABLE_MMAP": False})
        _require_native(core, precision)
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads or physical_cores(),
            "NUM_STREAMS": 1,  # one run at a time, on all threads
            "ENABLE_CPU_PINNING": False,  # the process may have other work for its processors
        }
        compiled = _compile(core, path, settings)
        return cls(path, signature, metadata, compiled, check_finite, precision)

    def _answer(self, model: Any, image: Array, mask: Array) -> Array:  # noqa: ANN401
        """Run an inference request that no other thread uses."""
        try:
            request = model.idle.pop()
        except IndexError:  # all are in use, or none exists yet
            request = model.compiled.create_infer_request()
        request.infer({IMAGE: image, MASK: mask})
        answer = np.array(request.get_tensor(OUTPUT).data)
        model.idle.append(request)
        return answer

    def _reason(self, error: Exception) -> str:
        return _reason(error)


@dataclasses.dataclass(frozen=True)
class _Compiled:
    """A compiled model, its idle requests, and the operators that must outlive them."""

    compiled: Any
    operators: Any
    idle: "collections.deque[Any]" = dataclasses.field(default_factory=collections.deque)


def _declared(path: Path) -> tuple[Signature, Mapping[str, str]]:
    """Return signature and metadata from the file itself: OpenVINO drops the metadata."""
    require_file(path)
    header = read_onnx_header(path)
    _require_no_links(path, header.external)
    signature = read_signature(path, header.metadata, inputs=header.inputs, outputs=header.outputs)
    stated = header.metadata.get(META_PRECISION)
    if stated != "fp32":
        raise ContractError(
            f"OpenVINO runs fp32 models, in float32 or bfloat16; {path} is {stated}\n"
            "Export it again with --precision fp32."
        )
    return signature, header.metadata


def _require_no_links(path: Path, weights: Iterable[str]) -> None:
    """Refuse weights that OpenVINO would not read: links out of the model's folder."""
    folder = path.resolve().parent
    for name in weights:
        target = (path.parent / name).resolve()
        if target.parent != folder or target.name != name:
            raise ContractError(
                f"OpenVINO reads no weights through links; {path.parent / name} is a link to "
                f"{target}, or {path} is one\nCopy both into one folder: cp -L"
            )


def _compile(core: Any, path: Path, settings: Mapping[str, Any]) -> _Compiled:  # noqa: ANN401
    from .openvino_graph import Operators, read_network  # imports openvino

    operators = Operators()
    try:
        network = read_network(core, path, operators)
    except Exception as error:  # its frontends' exceptions share no base
        if problem := failure(error, f"read {path}"):
            raise problem from error
        raise ContractError(
            f"{path} must be a complete ONNX model that OpenVINO reads: {_reason(error)}\n"
            "Copy it again, with the .weights file beside it if it has one, or export it again "
            "with `csakit export`."
        ) from error
    try:
        compiled = core.compile_model(network, DEVICE, dict(settings))
        operators.complete()
        return _Compiled(compiled, operators)
    except Exception as error:  # as above
        if problem := failure(error, f"compile {path}"):
            raise problem from error
        raise EngineError(f"OpenVINO cannot compile {path}: {_reason(error)}") from error


def _require_native(core: Any, precision: ComputePrecision) -> None:  # noqa: ANN401
    """Refuse bfloat16 if the processor would emulate it or OpenVINO ignore it."""
    if precision != "bf16":
        return
    offered = "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    if not (offered and has_bfloat16()):
        name = core.get_property(DEVICE, "FULL_DEVICE_NAME")
        raise LibraryError(
            "bfloat16 needs a processor with avx512_bf16, amx_bf16 or avx_ne_convert; this one, "
            f"{name}, has none of them\nRun in float32: --precision fp32, or without --backend."
        )


def _reason(error: Exception) -> str:
    """Return the last line of an error of OpenVINO, the informative one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
