"""Check the weights of an ONNX file, without the package onnx.

Some runtimes turn NaN into numbers (OpenVINO's Relu and Clamp, a cast to bytes) and hide them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError
from .failures import failure, is_file
from .onnx_header import Fields, mapped

_GRAPH, _NODE, _INITIALIZER = 7, 1, 5  # numbers of fields, as in onnx.proto
_ATTRIBUTE, _OPERATOR, _TENSOR = 5, 4, 5
_FLOATS: Final = {1: "<f4", 10: "<f2", 11: "<f8"}  # ONNX's type: NumPy's
_BFLOAT16: Final = 16
_BFLOAT16_EXPONENT: Final = 0x7F80  # all ones: NaN or infinite
# Trained weights are below 1e2. Up to this limit, ten thousand products of two values, squared by
# a normalisation, stay within float32; above it, NaN can arise inside the graph.
_MAX_MAGNITUDE: Final = 1e6


def require_finite_weights(path: Path) -> None:
    """Refuse a model of which a weight is NaN, infinite, or so large that sums overflow."""
    try:
        for name, values in _weights(path):
            if values.size and not _sound(values):
                raise ContractError(
                    f"weights must be finite and below {_MAX_MAGNITUDE:g} in magnitude; "
                    f"{name!r} of {path} has others\n"
                    "Train again from an earlier state, or export another checkpoint."
                )
    except OSError as error:
        raise failure(error, f"read {error.filename or path}") or error from error
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(f"{path} must be a whole ONNX file: {error}") from error


def _sound(values: npt.NDArray[Any]) -> bool:
    """Report whether values are finite and below the limit; NaN propagates through min and max."""
    if values.dtype == np.uint16:
        return not np.any(values & _BFLOAT16_EXPONENT == _BFLOAT16_EXPONENT)
    return float(values.min()) >= -_MAX_MAGNITUDE and float(values.max()) <= _MAX_MAGNITUDE


def _weights(path: Path) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield name and values of each floating-point tensor that a model stores."""
    (graph,) = Fields(mapped(path)).messages(_GRAPH)
    files: dict[str, npt.NDArray[np.uint8]] = {}
    for tensor in _tensors(graph):
        kind = tensor.number(2)
        if kind not in (*_FLOATS, _BFLOAT16):
            continue
        dtype = np.dtype(_FLOATS.get(kind, "<u2"))
        external = {entry.text(1): entry.text(2) for entry in tensor.messages(13)}
        if external:
            location = external["location"]
            if location not in files:
                if not is_file(path.parent / location):
                    raise ContractError(
                        f"{path} keeps its weights in {location}, which is not beside it\n"
                        "Copy it there, or export the model again."
                    )
                files[location] = np.memmap(path.parent / location, np.uint8, "r")
            start = int(external.get("offset", 0))
            end = start + int(external.get("length", files[location].size - start))
            if end > files[location].size:
                raise ContractError(
                    f"{path.parent / location} must have at least {end} bytes; it has "
                    f"{files[location].size}\nCopy it again."
                )
            yield tensor.text(8), files[location][start:end].view(dtype)
        elif raw := tensor.parts(9):
            yield tensor.text(8), np.frombuffer(raw[-1], dtype)
        elif kind in (1, 11):
            for part in tensor.parts(4 if kind == 1 else 10):
                yield tensor.text(8), np.frombuffer(part, dtype)
        else:
            yield tensor.text(8), np.array(tensor.numbers(5), np.uint16).view(dtype)


def _tensors(graph: Fields) -> Iterator[Fields]:
    """Yield the initializers of a graph, and the tensors of its Constant nodes."""
    yield from graph.messages(_INITIALIZER)
    for node in graph.messages(_NODE):
        if node.text(_OPERATOR) == "Constant":
            for attribute in node.messages(_ATTRIBUTE):
                yield from attribute.messages(_TENSOR)
