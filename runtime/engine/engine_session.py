"""An engine on a GPU as a session: threads, futures, buffers and graphs."""

import dataclasses
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar, overload

import numpy as np

from ...plugins.errors import EngineError
from .. import contract
from ..device.device import Device
from ..device.fork_guard import ForkGuard
from ..options import EngineOptions
from ..tensors.conversion import (
    Array,
    ModelInputs,
    check_floats,
    check_pixels,
    require_checkable,
    require_finite,
)
from ..tensors.pixels import Float32, Uint8
from .context import CudaGraphPolicy, ExecutionContext
from .context_pool import ContextPool, InferenceFuture
from .manifest import Manifest
from .shapes import CallShape
from .trt_engine import TensorRtEngine

T = TypeVar("T", bound=Array)


class EngineSession:
    """An engine on a GPU as a ``Session``; owns engine and device."""

    def __init__(
        self,
        engine: TensorRtEngine,
        device: Device,
        manifest: Manifest,
        *,
        name: str,
        options: EngineOptions | None = None,
        check_finite: bool = False,
    ) -> None:
        options = options or EngineOptions()
        self.io: contract.IOFormat = "uint8" if manifest.io == "uint8" else "float"
        require_checkable(self.io, check_finite=check_finite)
        self.metadata = _metadata(manifest)
        self._shapes = shapes = manifest.profiles[0]
        self.batch = shapes.fixed_batch  # None if it takes several
        self.size = shapes.fixed_size  # (H, W); None if it takes several
        self.least_side = shapes.size.least  # ``Inpainter`` pads to it
        self.description = f"{engine.description} on {device.name} by {device.binding.title}"
        self._name = name
        self._engine = engine
        self._device = device
        self._process = ForkGuard(self)
        self._closing = threading.Lock()
        self._rebuild = manifest.rebuild
        self._check_finite = check_finite
        captured = options.cuda_graph and not engine.manages_cuda_graphs
        self._graphs = graphs = CudaGraphPolicy(name, wanted=captured)

        def make(shape: CallShape) -> ExecutionContext:  # without self, which would be a cycle
            context = ExecutionContext(device, engine, shape, graphs)
            engine.save_cache()
            return context

        self._pool = ContextPool(device, make, options.contexts)

    @property
    def uses_graphs(self) -> bool:
        """Whether calls are, or will be, captured here; TensorRT for RTX captures them itself."""
        return self._graphs.wanted

    def run(self, image: Float32, mask: Float32) -> Float32:
        """Inpaint a batch of float images; see ``Session.run``."""
        with self._working():
            return self._start_floats(image, mask).result()

    def run_uint8(self, image: Uint8, mask: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images; see ``Session.run_uint8``."""
        with self._working():
            return self._start_pixels(image, mask).result()

    @overload
    def submit(self, image: Float32, mask: Float32) -> InferenceFuture[Float32]: ...

    @overload
    def submit(self, image: Uint8, mask: Uint8) -> InferenceFuture[Uint8]: ...

    def submit(self, image: Array, mask: Array) -> InferenceFuture[Any]:
        """Start a call, float32 as ``run`` or uint8 as ``run_uint8``, and return its future.

        Image and mask may be changed afterwards. Raises ContractError and EngineError as they do;
        the session stays usable where the GPU has too little memory.
        """
        with self._working():
            if image.dtype == np.uint8:
                return self._start_pixels(image, mask)
            return self._start_floats(image, mask)

    def prepare(self, batch: int, size: tuple[int, int]) -> None:
        """Create a context for a batch and (H, W), so that its first call is not slower."""
        with self._working():
            self._pool.prepare(self._shape(batch, size))

    def close(self) -> None:
        """Finish pending calls and free all but results; idempotent. Does nothing after a fork."""
        if not self._device.usable:  # first: a fork may have copied the lock while it was held
            return
        with self._closing:
            if not self._device.usable:
                return
            self._pool.close()
            with self._device.current():
                self._engine.close()
            self._device.close()

    def _working(self) -> AbstractContextManager[None]:
        """Set the GPU's context as current for a whole call."""
        self._process.require_this()
        if not self._device.usable:
            raise EngineError("the session is closed; open it again")
        return self._device.current()

    def _shape(self, batch: int, sides: tuple[int, ...]) -> CallShape:
        """Return the shape of a call; ContractError if the engine was not built for it."""
        self._shapes.check(batch, sides, name=self._name, rebuild=self._rebuild)
        height, width = sides
        return CallShape(self.io, batch, height, width)

    def _start_floats(self, image: Float32, mask: Float32) -> InferenceFuture[Float32]:
        check_floats(image, mask)
        shape = self._shape(image.shape[0], image.shape[2:])
        if self.io == "uint8":  # the future needs it later, when the caller may have changed it
            image = image.copy()
        return self._start(shape, ModelInputs.from_floats(self.io, image, mask))

    def _start_pixels(self, image: Uint8, mask: Uint8) -> InferenceFuture[Uint8]:
        check_pixels(image, mask)
        shape = self._shape(image.shape[0], image.shape[1:3])
        return self._start(shape, ModelInputs.from_pixels(self.io, image, mask))

    def _start(self, shape: CallShape, inputs: ModelInputs[T]) -> InferenceFuture[T]:
        if not self._check_finite:
            return self._pool.start(shape, inputs)

        def finish(answer: Array) -> T:
            require_finite(answer, self._name)
            return inputs.finish(answer)

        return self._pool.start(shape, dataclasses.replace(inputs, finish=finish))


def _metadata(manifest: Manifest) -> Mapping[str, str]:
    """Return the metadata of the exported model that the manifest holds."""
    source = manifest.source
    return {
        contract.META_FORMAT: str(contract.FORMAT_VERSION),
        contract.META_VERSION: source.csakit,
        contract.META_CHECKPOINT: source.checkpoint_sha256,
        contract.META_PRECISION: manifest.precision.audited,
        contract.META_IO: manifest.io,
        contract.META_SIMILARITY: source.similarity,
        contract.META_PREDICTION: source.prediction,
        contract.META_TRAINED_HOLE: source.trained_hole,
        contract.META_ATTENTION: source.attention,
    }
