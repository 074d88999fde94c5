"""Read the header of an ONNX file, without the package onnx and without its weights.

Reads the protobuf fields it needs and skips the others; field numbers are those of onnx.proto.
The file is mapped, not read: half a gigabyte takes a millisecond.
"""

import dataclasses
import math
import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from .failures import failure, failures_as_errors, stand_in

_TYPES: Final = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool"} | {
    10: "float16",
    11: "float64",
    16: "bfloat16",
}
_ORT_TYPES: Final = {"float32": "float", "float64": "double"}  # others have the same names
_WIRE_BYTES: Final = {1: 8, 5: 4}  # wire types of fixed length
_MODEL = {"producer": 2, "graph": 7, "opset": 8, "metadata": 14, "function": 25}
_GRAPH = {"node": 1, "initializer": 5, "input": 11, "output": 12}
_MAX_SHIFT: Final = 63  # bits; longer numbers are no protobuf


@dataclasses.dataclass(frozen=True)
class OnnxTensor:
    """One input or output."""

    name: str  # of the tensor
    dtype: str  # "float32" for example
    shape: tuple[int | str, ...]  # numbers, and names where free

    @property
    def type(self) -> str:
        """The type as ONNX Runtime writes it."""
        return f"tensor({_ORT_TYPES.get(self.dtype, self.dtype)})"


@dataclasses.dataclass(frozen=True)
class OnnxHeader:
    """The header of an ONNX file."""

    metadata: Mapping[str, str]  # its ``metadata_props``
    inputs: tuple[OnnxTensor, ...]  # of the graph, without weights
    outputs: tuple[OnnxTensor, ...]  # of the graph
    opsets: Mapping[str, int]  # version by domain
    operators: Mapping[str, int]  # nodes by operator, "domain::name" outside ONNX's domain
    functions: tuple[str, ...]  # "domain::name" of each function it carries
    weights: Mapping[str, int]  # stored values by type
    external: Mapping[str, int]  # files that hold weights, and how many bytes each must have


def read_onnx_header(path: Path) -> OnnxHeader:
    """Read the header; ContractError if the file cannot be read or is not a whole ONNX file."""
    try:
        return _model(mapped(path))
    except OSError as error:
        raise failure(error, f"read {path}") or error from error
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise stand_in(path) or ContractError(
            f"{path} must be a whole ONNX file: {error}"
        ) from error


def with_weights(path: Path) -> Path:
    """Return the path with the weights beside it: the target of a link if they are only there."""
    with failures_as_errors(f"open {path}"):
        if not path.is_symlink() or not path.exists():
            return path
        target, weights = path.resolve(), read_onnx_header(path).external
        here, there = (
            all((one.parent / name).exists() for name in weights) for one in (path, target)
        )
        return target if there and not here else path


def mapped(path: Path) -> memoryview:
    """Map a file, until the last view of it is gone; ValueError if it is empty."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _model(view: memoryview) -> OnnxHeader:
    fields = Fields(view)
    graphs = [Fields(part) for part in fields.parts(_MODEL["graph"])]
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs instead of one")
    graph = graphs[0]
    weights, external = _weights(graph)
    functions = tuple(_qualified(f, name=1, domain=10) for f in fields.messages(_MODEL["function"]))
    return OnnxHeader(
        metadata={m.text(1): m.text(2) for m in fields.messages(_MODEL["metadata"])},
        inputs=tuple(_tensor(item) for item in graph.messages(_GRAPH["input"])),
        outputs=tuple(_tensor(item) for item in graph.messages(_GRAPH["output"])),
        opsets={m.text(1): m.number(2) for m in fields.messages(_MODEL["opset"])},
        operators=dict(
            Counter(_qualified(n, name=4, domain=7) for n in graph.messages(_GRAPH["node"]))
        ),
        functions=functions,
        weights=weights,
        external=external,
    )


def _weights(graph: "Fields") -> tuple[dict[str, int], dict[str, int]]:
    counted: Counter[str] = Counter()
    files: dict[str, int] = {}
    for tensor in graph.messages(_GRAPH["initializer"]):
        counted[_type(tensor.number(2))] += math.prod(tensor.numbers(1))
        stored = {entry.text(1): entry.text(2) for entry in tensor.messages(13)}
        if location := stored.get("location"):
            end = int(stored.get("offset") or 0) + int(stored.get("length") or 0)
            files[location] = max(files.get(location, 0), end)
    return dict(counted), files


def _tensor(item: "Fields") -> OnnxTensor:
    """Read a ValueInfoProto that holds a tensor."""
    kinds = [tensor for kind in item.messages(2) for tensor in kind.messages(1)]
    if len(kinds) != 1:
        raise ValueError(f"{item.text(1)!r} is not a tensor")
    kind = kinds[0]
    dimensions = [dimension for shape in kind.messages(2) for dimension in shape.messages(1)]
    sides = (d.text(2) or d.number(1) or "?" for d in dimensions)  # a free one may have no name
    return OnnxTensor(item.text(1), _type(kind.number(1)), tuple(sides))


def _qualified(item: "Fields", *, name: int, domain: int) -> str:
    return "::".join(part for part in (item.text(domain), item.text(name)) if part)


def _type(number: int) -> str:
    return _TYPES.get(number, f"type {number}")


class Fields:
    """The fields of one message, found once and decoded when asked for."""

    def __init__(self, view: memoryview) -> None:
        self._found: dict[int, list[int | memoryview]] = {}
        for number, value in _walk(view):
            self._found.setdefault(number, []).append(value)

    def parts(self, number: int) -> list[memoryview]:
        """Return the length-delimited values of a field, in the order of the file."""
        return [v for v in self._found.get(number, []) if isinstance(v, memoryview)]

    def messages(self, number: int) -> "Iterator[Fields]":
        """Return the messages of a field."""
        return (Fields(part) for part in self.parts(number))

    def text(self, number: int) -> str:
        """Return the last text of a field, empty by default."""
        parts = self.parts(number)
        return bytes(parts[-1]).decode() if parts else ""

    def number(self, number: int) -> int:
        """Return the last number of a field, 0 by default."""
        return next((v for v in reversed(self._found.get(number, [])) if isinstance(v, int)), 0)

    def numbers(self, number: int) -> list[int]:
        """Read repeated numbers, which may be packed into one part."""
        found: list[int] = []
        for value in self._found.get(number, []):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(one)
        return found


def _walk(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field; length-delimited values are views, not copies."""
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(view, at)
        elif wire in _WIRE_BYTES:
            length = _WIRE_BYTES[wire]
        else:
            raise ValueError(f"byte {at} is of wire type {wire}, which does not exist")
        if length > len(view) - at:
            raise ValueError(f"it ends {length - len(view) + at} bytes too early")
        if wire == 2:
            yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """Return one number and the position behind it."""
    value = shift = 0
    while True:
        if at >= len(view) or shift > _MAX_SHIFT:
            raise ValueError("a number has no end")
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
