"""Optimization profiles: the requested shapes, checked against the model's.

Letters: B images, H W sides in pixels.
"""

from typing import Any

import onnx

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.engine.shapes import ShapeRange, Span
from ..config import MAX_SIZE
from ..graph.surgery import metadata_of
from .config import BuildConfig

_BATCH = Span(1, 1, 8)  # default for a dynamic batch
_SIZE = Span(256, 512, 1024)  # default for dynamic sides


def resolve_shapes(model: onnx.ModelProto, config: BuildConfig) -> ShapeRange:
    """Return the requested shapes; refuse those that the model was not exported for."""
    dimensions = _image_dimensions(model)
    uint8 = metadata_of(model).get(contract.META_IO) == "uint8"
    batch, *sides = (dimensions[axis] for axis in ((0, 1, 2) if uint8 else (0, 2, 3)))
    if sides[0] != sides[1] and all(sides):
        raise ContractError(
            f"engines are built from square or free sizes; the model has {sides[1]} x {sides[0]} "
            "(width x height)\nExport it again with --size dynamic."
        )
    return ShapeRange(batch=_batch(model, batch, config.batch), size=_size(sides[0], config.size))


def add_profile(builder: Any, builder_config: Any, network: Any, shapes: ShapeRange) -> None:  # noqa: ANN401
    """Set the shapes of a build; a network without free dimensions needs no profile."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    if not any(-1 in tuple(tensor.shape) for tensor in inputs):
        return
    profile = builder.create_optimization_profile()
    for tensor in inputs:
        spans = []
        for batch, side in zip(shapes.batch, shapes.size, strict=True):
            free = (batch, side, side, side)  # for the first axis, and for the others
            lengths = zip(tensor.shape, free, strict=True)
            spans.append(tuple(fill if length < 0 else length for length, fill in lengths))
        profile.set_shape(tensor.name, *spans)
    if builder_config.add_optimization_profile(profile) < 0:
        raise ContractError(f"TensorRT does not take the shapes {shapes}")


def _image_dimensions(model: onnx.ModelProto) -> list[int]:
    """Return the dimensions of the image, 0 where free."""
    for value in model.graph.input:
        if value.name == contract.IMAGE:
            found = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
            if len(found) == 4:
                return found
    raise ContractError(f"the model has no input {contract.IMAGE!r} of rank 4; export it again")


def _batch(model: onnx.ModelProto, fixed: int, asked: Span | None) -> Span:
    stated = metadata_of(model).get(contract.META_MAX_BATCH, "")
    most = int(stated) if stated.isdecimal() else None
    if fixed:
        return _fixed("--batch", fixed, asked, "export it again without --max-batch 1")
    if asked is None:
        return _BATCH if most is None else Span(1, 1, min(_BATCH.most, most))
    if most is not None and asked.most > most:
        raise ContractError(
            f"the model was exported for batches of at most {most}; got --batch {asked}\n"
            f"Use --batch 1:1:{most}, or export it again with a larger --max-batch."
        )
    return asked


def _size(fixed: int, asked: Span | None) -> Span:
    if fixed:
        return _fixed("--size", fixed, asked, "export it again with --size dynamic")
    if asked is None:
        return _SIZE
    assert asked.most <= MAX_SIZE  # BuildConfig refuses more
    return asked


def _fixed(option: str, fixed: int, asked: Span | None, remedy: str) -> Span:
    """Refuse any request but the model's fixed value."""
    only = Span(*[fixed] * 3)
    if asked not in (None, only):
        raise ContractError(
            f"the model takes {option} {fixed} and nothing else; got {asked}\n"
            f"Leave {option} out, or {remedy}."
        )
    return only
