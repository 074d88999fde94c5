"""Decode untrusted JSON files into frozen dataclasses; msgspec checks names and types."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from ...plugins.errors import ContractError, LibraryError
from .failures import failures_as_errors, stand_in

Record = TypeVar("Record")
MAX_BYTES: Final = 1 << 20  # manifests have a few kilobytes


def read_object(path: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """Read a file of at most ``limit`` bytes that holds one JSON object, or raise ContractError."""
    with failures_as_errors(f"read {path}"), path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ContractError(f"{path} must have at most {limit} bytes; it has more")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        problem = stand_in(path, data) or ContractError(f"{path} must be a JSON file: {error}")
        raise problem from error
    if not isinstance(value, dict):
        raise ContractError(f"{path} must hold a JSON object; got {type(value).__name__}")
    return value


def decode(kind: type[Record], value: Mapping[str, Any]) -> Record:
    """Create a dataclass from a JSON object with all of its fields and no others, or raise."""
    try:
        import msgspec  # deferred: only readers of such files need it
    except ImportError as error:
        raise LibraryError(
            f"reading manifests and records needs msgspec: {error}\n"
            "Install it with: pip install msgspec"
        ) from error
    try:
        record = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ContractError(str(error)) from error
    _require_same_fields(value, record, "$")
    return record


def _require_same_fields(value: Any, record: object, where: str) -> None:  # noqa: ANN401
    """Refuse fields that the decoder left out or filled in."""
    if isinstance(record, tuple):
        for index, pair in enumerate(zip(value, record, strict=True)):
            _require_same_fields(*pair, f"{where}[{index}]")
    elif dataclasses.is_dataclass(record):
        names = [field.name for field in dataclasses.fields(record)]
        if other := sorted(value.keys() ^ names):
            raise ContractError(f"missing or unknown fields: {', '.join(other)} - at `{where}`")
        for name in names:
            _require_same_fields(value[name], getattr(record, name), f"{where}.{name}")
