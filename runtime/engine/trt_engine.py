"""An engine in TensorRT (``tensorrt`` or ``tensorrt_lean``, 10.3 to 11.x), ready to be enqueued.

Contexts use memory that csakit allocates for the shape they run, so that running out of it is an
error of csakit and not one of TensorRT.
"""

import contextlib
import ctypes
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...plugins.errors import EngineError
from ..contract import OUTPUT
from ..device.device import Device, DeviceBuffer, Stream
from .manifest import Manifest
from .shapes import CallShape
from .tensorrt_module import TensorRTModule, load_plugin

_COMPARE = "Compare driver, CUDA and TensorRT: csakit doctor"


def require_plugin(module: TensorRTModule, path: Path, manifest: Manifest) -> None:
    """Register the plugin that an engine needs; it may lie beside the engine."""
    plugin = manifest.build.plugin
    if plugin is not None and not plugin.embedded:
        load_plugin(module, known=path.parent)


def open_engine(module: TensorRTModule, path: Path, manifest: Manifest) -> tuple[Any, Any]:
    """Return TensorRT's runtime and engine; the runtime has to outlive the engine."""
    module.log.clear()
    rebuild = f"Build it again on this machine: {manifest.rebuild}"
    try:
        runtime = module.trt.Runtime(module.log)
    except (TypeError, RuntimeError) as error:  # its constructor returned nothing
        raise module.failure("cannot start", _COMPARE) from error
    if module.log.reason():
        # Observed with 11.4 lean: a runtime that failed to start is returned all the same, and
        # opening an engine with it or freeing it crashes. So it is never freed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(runtime))
        raise module.failure("cannot start", _COMPARE)
    plugin = manifest.build.plugin
    if manifest.build.version_compatible or (plugin is not None and plugin.embedded):
        runtime.engine_host_code_allowed = True  # these engines contain libraries
    with path.open("rb") as file:
        plan = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # TensorRT copies it
        engine = runtime.deserialize_cuda_engine(plan)
        with contextlib.suppress(BufferError):  # still in use: freed with its last user
            plan.close()
    if engine is None:
        raise module.failure(f"cannot open {path}", rebuild)
    _check_tensors(module, engine, path, manifest)
    return runtime, engine


def _check_tensors(module: TensorRTModule, engine: Any, path: Path, manifest: Manifest) -> None:  # noqa: ANN401
    """Compare an engine's tensors with its manifest, which determines buffer sizes."""
    trt = module.trt
    types = {trt.DataType.FLOAT: "float32", trt.DataType.UINT8: "uint8"}
    found = set()
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        role = "input" if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else "output"
        dtype = engine.get_tensor_dtype(name)
        found.add((name, role, types.get(dtype, str(dtype)), tuple(engine.get_tensor_shape(name))))
    stated = {(x.name, x.role, x.dtype, x.shape) for x in manifest.tensors}
    if found != stated:
        raise EngineError(
            f"{path} does not match its manifest: it has {sorted(found)}, the manifest "
            f"{sorted(stated)}\nBuild it again: {manifest.rebuild}"
        )


class TensorRtExecutor:
    """An execution context prepared for one shape; used by one thread at a time."""

    def __init__(
        self,
        module: TensorRTModule,
        context: Any,  # noqa: ANN401
        device: Device,
        stream: Stream,
        *,
        shape: CallShape,
        addresses: Mapping[str, int],
    ) -> None:
        self._module = module
        self._context = context
        self._number = stream.number
        self._shape = shape
        self._scratch: DeviceBuffer | None = None
        try:
            self._prepare(device, shape, addresses)
        except BaseException:
            self.close()
            raise

    def enqueue(self, stream: Stream) -> None:
        """Enqueue the engine on tensors in device memory; return at once."""
        if not self._context.execute_async_v3(self._number):
            raise self._failure("did not run")

    def close(self) -> None:
        """Free the context, then its memory, when its work is done. Idempotent."""
        self._context = None
        if self._scratch is not None:
            self._scratch.close()

    def _prepare(self, device: Device, shape: CallShape, addresses: Mapping[str, int]) -> None:
        context = self._context
        if context.active_optimization_profile != 0 and not context.set_optimization_profile_async(
            0, self._number
        ):
            raise self._failure("did not take the engine's profile")
        for name, dimensions in shape.tensors.items():
            if name != OUTPUT and not context.set_input_shape(name, dimensions):
                raise self._failure(f"did not take {name} of {dimensions}")
        answer = tuple(context.get_tensor_shape(OUTPUT))
        if answer != shape.tensors[OUTPUT]:
            raise EngineError(
                f"{self._module.title} answers {shape} with {OUTPUT} of {answer}; it must be "
                f"{shape.tensors[OUTPUT]}"
            )
        needed = int(context.update_device_memory_size_for_shapes())
        if not needed and int(getattr(context.engine, "device_memory_size_v2", 0)):
            raise self._failure("reported no memory size")  # 0 also means "error"
        if needed:
            self._scratch = device.buffer(needed)
            context.set_device_memory(self._scratch.address, needed)
        for name, address in addresses.items():
            if not context.set_tensor_address(name, address):
                raise self._failure(f"did not take the memory of {name}")

    def _failure(self, what: str) -> EngineError:
        return self._module.failure(f"{what} for {self._shape}", _COMPARE)


class TensorRtEngine:
    """A loaded engine. All calls are made with its device current."""

    manages_cuda_graphs = False  # if True, csakit captures no calls

    def __init__(self, module: TensorRTModule, path: Path, manifest: Manifest) -> None:
        require_plugin(module, path, manifest)
        self._module = module
        self._path = path
        self._runtime, self._engine = open_engine(module, path, manifest)

    @property
    def description(self) -> str:
        """Name and version of the runtime."""
        return self._module.title

    def executor(
        self, device: Device, stream: Stream, shape: CallShape, addresses: Mapping[str, int]
    ) -> TensorRtExecutor:
        """Prepare the engine for a shape and the addresses of its tensors, or raise EngineError."""
        self._module.log.clear()
        if (context := self._context()) is None:
            raise self._module.failure(f"made no execution context of {self._path}", _COMPARE)
        return TensorRtExecutor(
            self._module, context, device, stream, shape=shape, addresses=addresses
        )

    def save_cache(self) -> None:
        """Do nothing: TensorRT compiles no kernels at the first run."""

    def close(self) -> None:
        """Free the engine, after its executors, then its runtime. Idempotent."""
        self._engine = None
        self._runtime = None

    def _context(self) -> Any:  # noqa: ANN401
        trt, engine = self._module.trt, self._engine
        return engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
