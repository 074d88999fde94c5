"""Protobuf's text format, as far as a model configuration needs it."""

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias, Union


class Word(str):
    """A value without quotes: the name of an enumeration's member."""

    __slots__ = ()


Value: TypeAlias = Union[  # noqa: UP007 - a string in it stands for what comes later
    str, int, bool, Iterable["Value"], Mapping[str, "Value"]
]


def write(message: Mapping[str, Value], indent: int = 0) -> str:
    """Write a message: a list is a repeated field, a mapping a message; texts are ASCII."""
    return "".join(line for name, value in message.items() for line in _field(name, value, indent))


def _field(name: str, value: Value, indent: int) -> Iterable[str]:
    start = "  " * indent + name
    if isinstance(value, Mapping):
        yield f"{start} {{\n"
        yield write(value, indent + 1)
        yield "  " * indent + "}\n"
    elif isinstance(value, str | int):
        yield f"{start}: {_scalar(value)}\n"
    else:
        items = list(value)
        if all(isinstance(item, int) for item in items):
            yield f"{start}: [{', '.join(map(str, items))}]\n"
            return
        for item in items:
            yield from _field(name, item, indent)


def _scalar(value: str | int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Word | int):
        return str(value)
    return json.dumps(value)  # of printable ASCII it is protobuf's escape as well
