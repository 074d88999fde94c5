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
        self._name = name
        self._engine = engine
        self._device = device
        self._process = ForkGuard(self)
        self._closing = threading.Lock()
        self._shapes = manifest.profiles[0]
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
    def batch(self) -> int | None:
        """The one batch the engine takes; None if it takes several."""
        return self._shapes.fixed_batch

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (H, W) the engine takes; None if it takes several."""
        return self._shapes.fixed_size

    @property
    def least_side(self) -> int:
        """The shortest side the engine takes; ``Inpainter`` pads to it."""
        return self._shapes.size.least

    @property
    def title(self) -> str:
        """What runs the engine: TensorRT, GPU and binding."""
        return f"{self._engine.title} on {self._device.name} by {self._device.binding.title}"

    @property
    def uses_graphs(self) -> bool:
        """Whether calls are, or will be, captured; TensorRT for RTX does that by itself."""
        return self._graphs.wanted

    def run(self, image: Float32, mask: Float32) -> Float32:
        """Inpaint a batch of network numbers; see ``Session.run``."""
        with self._working():
            return self._start(self._floats(image, mask)).result()

    def run_uint8(self, image: Uint8, mask: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images; see ``Session.run_uint8``."""
        with self._working():
            return self._start(self._pixels(image, mask)).result()

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
                return self._start(self._pixels(image, mask))
            return self._start(self._floats(image, mask))

    def prepare(self, batch: int, size: tuple[int, int]) -> None:
        """Create a context for a batch and (H, W), so that its first call is not slower."""
        with self._working():
            self._check(batch, size)
            self._pool.prepare(CallShape(self.io, batch, *size))

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
        """Push the GPU's context, once for all of a call."""
        self._process.require_this()
        if not self._device.usable:
            raise EngineError("the session is closed; open it again")
        return self._device.current()

    def _check(self, batch: int, sides: tuple[int, ...]) -> None:
        self._shapes.check(batch, sides, name=self._name, rebuild=self._rebuild)

    def _floats(self, image: Float32, mask: Float32) -> ModelInputs[Float32]:
        check_floats(image, mask)
        self._check(image.shape[0], image.shape[2:])
        if self.io == "uint8":  # the future needs it later, when the caller may have changed it
            image = image.copy()
        return ModelInputs.from_floats(self.io, image, mask)

    def _pixels(self, image: Uint8, mask: Uint8) -> ModelInputs[Uint8]:
        check_pixels(image, mask)
        self._check(image.shape[0], image.shape[1:3])
        return ModelInputs.from_pixels(self.io, image, mask)

    def _start(self, inputs: ModelInputs[T]) -> InferenceFuture[T]:
        if self.io == "float":
            batch, _, height, width = inputs.image.shape
        else:
            batch, height, width, _ = inputs.image.shape
        if self._check_finite:
            finish = inputs.finish

            def checked(answer: Array) -> T:
                require_finite(answer, self._name)
                return finish(answer)

            inputs = dataclasses.replace(inputs, finish=checked)
        return self._pool.start(CallShape(self.io, batch, height, width), inputs)


def _metadata(manifest: Manifest) -> Mapping[str, str]:
    """Return the metadata of the exported model, as far as the manifest has it."""
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
