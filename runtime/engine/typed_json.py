"""JSON from a file that nobody vouches for, as frozen dataclasses: every field has its type.

A field is a text of printable characters, a whole number, a truth value, one of the above or
None, a tuple of them, an object of any JSON values, or a dataclass of such fields.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from ...plugins.errors import ContractError

Record = TypeVar("Record")
MAX_BYTES: Final = 1 << 20  # such files have a few kilobytes
_NAMES: Final = {str: "printable text", int: "a whole number", bool: "true or false"}


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: of the file.

    Returns:
        The object.

    Raises:
        ContractError: it cannot be read, is too large, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ContractError(f"{path} must have at most {MAX_BYTES} bytes; it has more")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ContractError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path} must be a JSON file: {error}") from error
    if not isinstance(value, dict):
        raise ContractError(f"{path} must hold a JSON object; got {type(value).__name__}")
    return value


def decode(kind: type[Record], value: object, where: str = "") -> Record:
    """Make a dataclass of a JSON object.

    Args:
        kind: the dataclass.
        value: as ``json.loads`` gives it.
        where: the object is in its file, for messages.

    Returns:
        The dataclass.

    Raises:
        ContractError: a field is missing, is unknown, or has another type.
    """
    if not isinstance(value, Mapping):
        raise _wrong(where or "the file", "an object", value)
    hints = typing.get_type_hints(kind)
    for name in value.keys() ^ hints.keys():
        problem = "is missing" if name in hints else "is unknown"
        raise ContractError(f"{_at(where, str(name))!r} {problem}")
    fields = {name: _decode(hint, value[name], _at(where, name)) for name, hint in hints.items()}
    return kind(**fields)


def _decode(hint: Any, value: object, where: str) -> Any:  # noqa: ANN401
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _decode(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        return tuple(_decode(arguments[0], item, where) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, value, where)
    if hint in _NAMES:
        if type(value) is not hint or (isinstance(value, str) and not value.isprintable()):
            raise _wrong(where, _NAMES[hint], value)
        return value
    if not isinstance(value, dict):  # Mapping[str, Any]: evidence, parity
        raise _wrong(where, "an object", value)
    return value


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(where: str, wanted: str, value: object) -> ContractError:
    return ContractError(f"{where!r} must be {wanted}; got {value!r:.60}")
