"""ONNX Runtime on an NVIDIA GPU, through its CUDA provider only."""

import contextlib
import dataclasses
import io
import logging
import re
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError, EngineError, LibraryError
from ...plugins.versions import installed, numbers
from ..contract import IMAGE, MASK, OUTPUT
from ..files.onnx_weights import require_finite_weights
from ..host import ORT_WHEELS, physical_cores
from ..libraries import import_onnxruntime
from ..tensors.conversion import Array
from .ort_session import OrtSession, describe, load, make_options, reason, require_file

PROVIDER: Final = "CUDAExecutionProvider"
logger = logging.getLogger(__name__)
_CUDA: Final = re.compile(r"\b(CUDA|CUDNN|CUBLAS)", re.IGNORECASE)
_OLDEST: Final = (1, 18)  # with the option use_tf32
_INSTALL: Final = "pip uninstall -y onnxruntime onnxruntime-gpu; pip install onnxruntime-gpu"


@dataclasses.dataclass(eq=False)
class OrtCudaSession(OrtSession):
    """A model on a GPU; ``place`` is the device type and number of inputs and outputs."""

    place: tuple[str, int] = ("cuda", 0)

    @classmethod
    def open_on(
        cls,
        path: Path,
        *,
        device: int = 0,
        threads: int | None = None,
        spin: bool = True,
        check_finite: bool = False,
    ) -> "OrtCudaSession":
        """Load a model onto a GPU; see ``open_session``. The CPU's threads compute shapes only."""
        require_file(path)
        ort = import_onnxruntime()
        require_provider(ort)
        preload(ort)
        options = make_options(ort, threads or physical_cores(), spin=spin)
        options.log_severity_level = 3  # errors: only the log states why a provider fails
        providers = [(PROVIDER, provider_options(device))]
        try:
            session = load(ort, path, options, providers)
        except ContractError as error:
            raise _of_the_gpu(error, path, device) or error from error.__cause__
        require_gpu(session, path, device)
        signature, metadata = describe(path, session, check_finite=check_finite)
        if signature.io == "uint8":
            require_finite_weights(path)
        return cls(path, signature, metadata, session, check_finite, ("cuda", device))

    def _answer(self, model: Any, image: Array, mask: Array) -> Array:  # noqa: ANN401
        """Run the model on tensors that are bound to the GPU, so that no copy is made twice."""
        onto = import_onnxruntime().OrtValue.ortvalue_from_numpy
        binding = model.io_binding()  # one for each call: threads share nothing
        for name, array in ((IMAGE, image), (MASK, mask)):
            binding.bind_ortvalue_input(name, onto(array, *self.place))
        binding.bind_output(OUTPUT, *self.place)
        model.run_with_iobinding(binding)
        answer: Array = binding.copy_outputs_to_cpu()[0]
        return answer


def _of_the_gpu(error: ContractError, path: Path, device: int) -> EngineError | None:
    """Return the error of a GPU; None where the model is broken, which has the same class."""
    cause = error.__cause__
    if cause is None or not _CUDA.search(str(cause).replace(str(path), "")):
        return None
    return EngineError(
        f"ONNX Runtime cannot use GPU {device} for {path}: {reason(cause)}\n"
        "`csakit doctor` reports driver and GPUs; `nvidia-smi` lists them."
    )


def preload(ort: Any) -> None:  # noqa: ANN401
    """Load the CUDA libraries that pip installed; before 1.21 the system's are used."""
    if not hasattr(ort, "preload_dlls"):
        return
    with contextlib.redirect_stdout(io.StringIO()) as printed:  # names of missing libraries
        ort.preload_dlls()
    logger.debug("onnxruntime.preload_dlls: %s", printed.getvalue().strip() or "nothing")


def provider_options(device: int) -> dict[str, str]:
    """Return the options of the CUDA provider."""
    return {
        "device_id": str(device),
        "use_tf32": "0",  # float32, in which the parity of models was verified
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        # Growth in powers of two would take up to twice the memory needed from other programs.
        "arena_extend_strategy": "kSameAsRequested",
    }


def require_provider(ort: Any) -> None:  # noqa: ANN401
    """Refuse an onnxruntime without a CUDA provider, and name the installed wheels."""
    offered = ort.get_available_providers()
    if PROVIDER in offered:
        if numbers(ort.__version__) < _OLDEST:
            raise LibraryError(
                f"device 'cuda' needs onnxruntime-gpu 1.18 or newer; got {ort.__version__}, which "
                "has no option to compute float32 as float32\n"
                "Update it: pip install --upgrade onnxruntime-gpu"
            )
        return
    wheels = [f"{name} {version}" for name in ORT_WHEELS if (version := installed(name))]
    clash = "; they overwrite each other's files" if len(wheels) > 1 else ""
    raise LibraryError(
        f"device 'cuda' needs ONNX Runtime with {PROVIDER}; onnxruntime {ort.__version__} has "
        f"{', '.join(offered)} (installed: {', '.join(wheels) or 'no wheel'}{clash})\n"
        f"onnxruntime and onnxruntime-gpu are the same module, so replace it: {_INSTALL}"
    )


def require_gpu(session: Any, path: Path, device: int) -> None:  # noqa: ANN401
    """Refuse a session that onnxruntime would run on the CPU or on another GPU."""
    used = session.get_providers()
    if used[:1] != [PROVIDER]:
        raise EngineError(
            f"ONNX Runtime did not take GPU {device} for {path} and would use {', '.join(used)}; "
            "its log names the cause, most often a missing CUDA or cuDNN library\n"
            "Install what it names, for example with pip install 'onnxruntime-gpu[cuda,cudnn]', or "
            "run on the CPU: --device cpu"
        )
    number = session.get_provider_options()[PROVIDER].get("device_id")
    if number != str(device):
        raise EngineError(f"ONNX Runtime took GPU {number} for {path}; it must be {device}")
