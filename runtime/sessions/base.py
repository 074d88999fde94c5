"""Base class of the sessions of ONNX Runtime and OpenVINO, whose calls are synchronous."""

import abc
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...plugins.errors import EngineError
from ..contract import IOFormat
from ..device.fork_guard import ForkGuard
from ..files.failures import failure
from ..tensors.conversion import Array, ModelInputs, check_floats, check_pixels, require_finite
from ..tensors.pixels import Float32, Uint8
from ..tensors.signature import Signature

T = TypeVar("T", bound=Array)


@dataclasses.dataclass(eq=False)
class LoadedSession(abc.ABC):
    """A ``Session``, but for the library that runs its model."""

    path: Path  # the model's file
    signature: Signature  # inputs it accepts
    metadata: Mapping[str, str]  # as written by the export
    _model: Any  # the library's, usable in several threads; None: closed
    check_finite: bool = False  # refuse outputs with NaN or infinity
    library: ClassVar[str] = "the library"

    def __post_init__(self) -> None:
        self.io: IOFormat = self.signature.io
        self.batch = self.signature.batch
        self.size = self.signature.size
        self._process = ForkGuard(self, f"a model in {self.library}")

    def run(self, image: Float32, mask: Float32) -> Float32:
        """Inpaint a batch of float images; see ``Session.run``."""
        check_floats(image, mask)
        self.signature.check(image.shape[0], image.shape[2:])
        return self._finish(ModelInputs.from_floats(self.io, image, mask))

    def run_uint8(self, image: Uint8, mask: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images; see ``Session.run_uint8``."""
        check_pixels(image, mask)
        self.signature.check(image.shape[0], image.shape[1:3])
        return self._finish(ModelInputs.from_pixels(self.io, image, mask))

    def close(self) -> None:
        """Release the model; calls in other threads still end. Nothing is freed after a fork."""
        if self._process.is_this:
            self._model = None

    @abc.abstractmethod
    def _answer(self, model: Any, image: Array, mask: Array) -> Array:  # noqa: ANN401
        """Run the model on tensors in its form; return a new array."""

    @abc.abstractmethod
    def _reason(self, error: Exception) -> str:
        """Return the most informative line of an error of the library."""

    def _finish(self, inputs: ModelInputs[T]) -> T:
        self._process.require_this()
        model = self._model
        if model is None:
            raise EngineError(f"the session of {self.path} is closed; open it again")
        try:
            answer = self._answer(model, inputs.image, inputs.mask)
        except Exception as error:  # the libraries' classes share no base but this one
            shape = inputs.image.shape
            if problem := failure(error, f"run {self.path} on {shape}"):
                raise problem from error
            raise EngineError(f"{self.path} failed on {shape}: {self._reason(error)}") from error
        if self.check_finite:
            require_finite(answer, self.path)
        return inputs.finish(answer)
