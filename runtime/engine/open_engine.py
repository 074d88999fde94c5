"""From the path of an engine to a session: diagnosis, module, GPU, plugin, engine."""

import importlib
from pathlib import Path

from ...plugins.errors import ContractError, EngineError, LibraryError
from ...plugins.tensorrt_flavours import FLAVOURS, UNKNOWN
from ...plugins.versions import numbers
from ..device.open_device import open_device
from ..host import parse_device
from ..options import EngineOptions
from ..tensors.conversion import require_checkable
from .compatibility import diagnose, this_machine
from .engine_session import EngineSession
from .manifest import Manifest
from .shapes import Engine
from .trt_engine import Library, TensorRtEngine


def open_engine_session(
    path: Path,
    *,
    device: int = 0,
    options: EngineOptions | None = None,
    check_finite: bool = False,
    spin: bool = True,
) -> EngineSession:
    """Open an engine with the lightest module of TensorRT that fits it.

    Args:
        path: of the ``.engine`` file; its manifest lies beside it.
        device: number of the GPU.
        options: how it is run.
        check_finite: refuse answers with NaN or infinity.
        spin: see ``csakit.runtime.device.device.Device``.

    Returns:
        The session. Close it.

    Raises:
        ContractError: there is no such file, or an option is wrong.
        LibraryError: TensorRT, a CUDA binding or the plugin is missing.
        EngineError: the engine is damaged, stale or foreign, or TensorRT refuses it.
    """
    options = options or EngineOptions()
    found = diagnose(path, this_machine(), device=device)
    manifest = found.require_usable()
    require_weights(path, manifest)
    require_checkable("uint8" if manifest.io == "uint8" else "float", check_finite=check_finite)
    library = open_library(path, manifest, found.module or manifest.build.module)
    gpu = open_device(device, adapter=options.adapter, spin=spin)
    try:
        with gpu.current():
            engine = load_engine(library, path, manifest)
        return EngineSession(
            *(engine, gpu, manifest),
            name=str(path),
            options=options,
            check_finite=check_finite,
        )
    except BaseException:
        gpu.close()
        raise


def open_library(path: Path, manifest: Manifest, module: str) -> Library:
    """Import the module of TensorRT that opens an engine, and compare versions once more.

    Args:
        path: of the engine, for messages.
        manifest: of the engine.
        module: its name, from the diagnosis.

    Returns:
        The module, with its log.

    Raises:
        LibraryError: it cannot be imported.
        EngineError: it is older than csakit supports, or not the version of the engine.
    """
    try:
        trt = importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # a wheel without its libraries
        raise LibraryError(
            f"{path} opens with the Python package {module}, which cannot be imported: {error}\n"
            "`csakit doctor` says more."
        ) from error
    version = getattr(trt, "__version__", UNKNOWN)
    build = manifest.build
    if not FLAVOURS[module].supports(version):
        raise EngineError(f"TensorRT must be 10.3 or newer; got {module} {version}")
    here, there = numbers(version, 4), numbers(build.version, 4)
    if here != there and not (build.version_compatible and here >= there):
        raise EngineError(
            f"{path} was built by {build.module} {build.version}; {module} here is {version}\n"
            f"Build it again: {manifest.rebuild}"
        )
    return Library.of(trt)


def load_engine(library: Library, path: Path, manifest: Manifest) -> Engine:
    """Open an engine on the GPU that is current.

    Args:
        library: that opens it.
        path: of the engine.
        manifest: of the engine.

    Returns:
        The engine.

    Raises:
        LibraryError: the plugin is missing.
        EngineError: TensorRT refuses the engine.
    """
    if manifest.build.module != "tensorrt_rtx":
        return TensorRtEngine(library, path, manifest)
    from .rtx_engine import RtxEngine

    return RtxEngine(library, path, manifest)


def require_weights(path: Path, manifest: Manifest) -> None:
    """Refuse an engine that was built without its weights, before TensorRT runs on noise.

    Args:
        path: of the engine.
        manifest: of the engine.

    Raises:
        EngineError: it holds none.
    """
    if manifest.build.weights == "strip":
        raise EngineError(
            f"{path} was built with --strip-weights and holds none; csakit does not put them back\n"
            "Build it without that option, or refit it with a program of your own."
        )


def device_number(text: str | None, path: Path) -> int:
    """Read the GPU for an engine off ``device``.

    Args:
        text: "cuda" or "cuda:1"; None is GPU 0.
        path: of the engine.

    Returns:
        The number.

    Raises:
        ContractError: it names no GPU.
    """
    kind, number = parse_device(text or "cuda")
    if kind != "cuda":
        raise ContractError(
            f"an engine runs on an NVIDIA GPU only; got device={text!r} for {path}\n"
            "Run the .onnx file it was built from on the CPU."
        )
    return number
