"""Inputs and outputs of a served model, in Triton's terms.

Triton adds the batch dimension itself: a model with a dynamic batch is declared without it; one
with a fixed batch is declared with it, and Triton does not batch its requests.
"""

import dataclasses
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError, EngineError
from ...runtime.contract import IMAGE, MASK, OUTPUT, SIZE_MULTIPLE, IOFormat
from ...runtime.engine.manifest import Manifest
from ...runtime.engine.shapes import Span
from ...runtime.files.onnx_header import OnnxHeader
from ...runtime.tensors.signature import Signature, read_signature
from ..config import MAX_SIZE
from .options import MAX_BATCH, ServingOptions

FREE: Final = -1  # Triton's value for a dynamic dimension


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelIO:
    """The layout, batch and sizes of a served model."""

    io: IOFormat  # "float" for (B, 3, H, W) float32, "uint8" for (B, H, W, 3) uint8
    max_batch: int  # Triton's ``max_batch_size``; 0 if the batch is fixed
    batch: int  # the fixed batch; 1 if Triton batches
    size: tuple[int, int] | None  # the fixed (H, W); None if dynamic
    sides: Span  # range of the sides

    @property
    def dtype(self) -> str:
        """Triton's name of the type of each tensor."""
        return "TYPE_UINT8" if self.io == "uint8" else "TYPE_FP32"

    @property
    def warm_size(self) -> tuple[int, int]:
        """The (H, W) that the model is tuned for."""
        return self.size or (self.sides.best, self.sides.best)

    def dims(self, tensor: str, size: tuple[int, int] | None = None) -> list[int]:
        """Return the dimensions of a tensor for (H, W); B where it is fixed, -1 where free."""
        height, width = size or self.size or (FREE, FREE)
        channels = {IMAGE: 3, MASK: 1, OUTPUT: 3}[tensor]
        sides = [height, width]
        dims = [*sides, channels] if self.io == "uint8" else [channels, *sides]
        return dims if self.max_batch else [self.batch, *dims]


def form_of_model(path: Path, header: OnnxHeader, options: ServingOptions) -> ModelIO:
    """Return the inputs and outputs of an exported model."""
    signature = read_signature(path, header.metadata, inputs=header.inputs, outputs=header.outputs)
    size = signature.size
    sides = Span(SIZE_MULTIPLE, options.size or SIZE_MULTIPLE, MAX_SIZE)
    if size is not None:
        if options.size not in (None, *size):
            raise ContractError(
                f"{path} takes images of {size[1]} x {size[0]} (width x height) and nothing "
                f"else; got --size {options.size}\nLeave --size out."
            )
        sides = Span(min(size), max(size), max(size))
    return ModelIO(
        io=signature.io,
        max_batch=_model_batch(path, signature, options),
        batch=signature.batch or 1,
        size=size,
        sides=sides,
    )


def _model_batch(path: Path, signature: Signature, options: ServingOptions) -> int:
    """Return Triton's largest batch; 0 if the model's is fixed."""
    limit = signature.max_batch
    if signature.batch is not None:
        limit = signature.batch
        if options.max_batch not in (None, limit) or options.preferred:
            raise ContractError(
                f"{path} takes batches of {limit} and nothing else, so Triton cannot batch for "
                "it\nLeave --max-batch and --preferred out, or export it without --max-batch 1."
            )
        return 0
    asked = options.max_batch or limit or MAX_BATCH
    if limit is not None and asked > limit:
        raise ContractError(
            f"{path} was exported for batches of at most {limit}; got --max-batch {asked}\n"
            f"Use --max-batch {limit}, or export it again with a larger one."
        )
    return _preferable(asked, options)


def form_of_engine(path: Path, manifest: Manifest, options: ServingOptions) -> ModelIO:
    """Return the inputs and outputs of an engine; a larger ``max_batch`` is cut to the engine's."""
    shape = next(t.shape for t in manifest.tensors if t.name == IMAGE)
    batch, sides = manifest.profiles[0].batch, manifest.profiles[0].size
    if options.size is not None and not sides.least <= options.size <= sides.most:
        raise ContractError(
            f"{path} takes sides of {sides} pixels; got --size {options.size}\n"
            "Leave --size out, or build the engine for it."
        )
    io: IOFormat = "uint8" if manifest.io == "uint8" else "float"
    height, width = shape[1:3] if io == "uint8" else shape[2:4]
    free_size, free_batch = FREE in (height, width), shape[0] == FREE
    if free_batch and batch.least != 1:
        raise EngineError(
            f"{path} takes batches from {batch.least} on, and Triton must be able to send a "
            f"single image\nBuild it again with --batch 1:{batch.best}:{batch.most}."
        )
    asked = min(options.max_batch or batch.most, batch.most)
    return ModelIO(
        io=io,
        max_batch=_preferable(asked, options) if free_batch else 0,
        batch=1 if free_batch else shape[0],
        size=None if free_size else (height, width),
        sides=sides._replace(best=options.size or sides.best),
    )


def _preferable(max_batch: int, options: ServingOptions) -> int:
    """Return the largest batch; refuse preferred ones above it, which never form."""
    if any(size > max_batch for size in options.preferred):
        wanted = ",".join(map(str, options.preferred))
        raise ContractError(
            f"--preferred must be up to the largest batch, {max_batch}; got {wanted}"
        )
    return max_batch
