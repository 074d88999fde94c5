"""Open an engine: check compatibility, import TensorRT, open the GPU, load plugin and engine."""

from pathlib import Path

from ...plugins.errors import ContractError
from ..device.open_device import open_device
from ..host import parse_device
from ..options import EngineOptions
from ..tensors.conversion import require_checkable
from .compatibility import diagnose, this_machine
from .engine_session import EngineSession
from .manifest import Manifest
from .tensorrt_module import TensorRTModule
from .trt_engine import TensorRtEngine


def open_engine_session(
    path: Path,
    *,
    device: int = 0,
    options: EngineOptions | None = None,
    check_finite: bool = False,
    spin: bool = True,
) -> EngineSession:
    """Open an engine with the lightest module of TensorRT that fits it; see ``open_session``."""
    options = options or EngineOptions()
    found = diagnose(path, this_machine(), device=device)
    manifest = found.require_usable()
    require_checkable("uint8" if manifest.io == "uint8" else "float", check_finite=check_finite)
    module = TensorRTModule.load(found.module or manifest.build.module)
    gpu = open_device(device, binding=options.binding, spin=spin)
    try:
        with gpu.current():
            engine = load_engine(module, path, manifest)
        return EngineSession(
            *(engine, gpu, manifest), name=str(path), options=options, check_finite=check_finite
        )
    except BaseException:
        gpu.close()
        raise


def load_engine(module: TensorRTModule, path: Path, manifest: Manifest) -> TensorRtEngine:
    """Open an engine on the GPU that is current."""
    if manifest.build.module != "tensorrt_rtx":
        return TensorRtEngine(module, path, manifest)
    from .rtx_engine import RtxEngine

    return RtxEngine(module, path, manifest)


def device_number(text: str | None, path: Path) -> int:
    """Return the number of the GPU that "cuda" or "cuda:1" names; None is GPU 0."""
    kind, number = parse_device(text or "cuda")
    if kind != "cuda":
        raise ContractError(
            f"an engine runs on an NVIDIA GPU only; got device={text!r} for {path}\n"
            "Run the .onnx file it was built from on the CPU."
        )
    return number
