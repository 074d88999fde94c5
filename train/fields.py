"""Fields of configuration classes: types, help texts and validation."""

import inspect
import math
import re
import types
import typing
from typing import Any, Literal

from ..plugins.errors import ContractError

_INTEGER_LIMIT = 1 << 63  # the first value that int64 cannot hold
_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def help_texts(cls: type) -> dict[str, str]:
    """Return the help text of each field by name, one line each, from the class docstring."""
    _, _, section = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    return {name: re.sub(r"\s+", " ", text) for name, text in _ATTRIBUTE.findall(section)}


def optional_of(hint: Any) -> Any:  # noqa: ANN401
    """Return X of ``X | None``; None for any other type."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return None
    return next(part for part in typing.get_args(hint) if part is not type(None))


def require_types(config: Any) -> None:  # noqa: ANN401
    """Check that each value has the annotated type."""
    for name, hint in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        for one in value if isinstance(value, tuple) else (value,):
            if type(one) is int and abs(one) >= _INTEGER_LIMIT:
                raise ContractError(f"{name} must be a number below 2^63; got one far beyond it")
        if not _fits(hint, value):
            raise ContractError(f"{name} must be {_described(hint)}; got {value!r}")


def require(condition: bool, name: str, rule: str, value: object) -> None:
    """Raise ContractError if a value breaks its rule."""
    if not condition:
        raise ContractError(f"{name} must be {rule}; got {value!r}")


def _fits(hint: Any, value: Any) -> bool:  # noqa: ANN401
    if inner := optional_of(hint):
        return value is None or _fits(inner, value)
    origin = typing.get_origin(hint)
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin is tuple:
        parts = typing.get_args(hint)
        fits = isinstance(value, tuple) and len(value) == len(parts)
        return fits and all(map(_fits, parts, value))
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint


def _described(hint: Any) -> str:  # noqa: ANN401
    if inner := optional_of(hint):
        return f"{_described(inner)}, or nothing"
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {parts}"
    if origin is tuple:
        return f"{len(parts)} values, each {_described(parts[0])}"
    plain = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    return plain.get(hint, str(hint))
