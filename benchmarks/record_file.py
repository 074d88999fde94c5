"""Records as files: written whole and without what is private, read without trust."""

import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..plugins.errors import ContractError
from ..runtime.files.atomic import staged
from .record import SCHEMA, Record

_MOST_BYTES: Final = 32 << 20  # a full run has some 100 kB
_ROUNDING: Final = 1e-6  # relative; summaries may have been written by another NumPy
# A slash that starts a word, and a second part: /home/x; not 1/2, ms/image, https://x/y.
_ABSOLUTE_PATH: Final = re.compile(r"(?<![\w.~/-])/[^\s/'\":,()]+/[^\s'\":,()]*")
_NUMBERS: Final = re.compile(r"\[\n\s*-?\d[^\[\]{}\"]*\]")  # a list of nothing else
_MEASUREMENTS: Final = "measurements"
_SUMMARY: Final = "summary"  # written for readers of the file; computed again when it is read


def write_record(record: Record, path: Path) -> None:
    """Write a record; an interrupted call leaves no half file.

    Args:
        record: to write.
        path: ends in ``.json``; an existing file is replaced.

    Raises:
        ContractError: the path has another suffix or cannot be written, or the record
            names an absolute path.
    """
    if path.suffix != ".json":
        raise ContractError(f"a record's name must end in .json; got {path.name}")
    value = dataclasses.asdict(record)
    for entry, measured in zip(value[_MEASUREMENTS], record.measurements, strict=True):
        entry[_SUMMARY] = dataclasses.asdict(measured.summary)
    _check_private(value)
    text = json.dumps(value, indent=1, allow_nan=False)
    with staged(path) as temporary:
        temporary.write_text(_with_short_lists(text) + "\n")


def read_record(path: Path) -> Record:
    """Read a record and check all of it.

    Args:
        path: a file that ``write_record`` wrote.

    Returns:
        The record.

    Raises:
        ContractError: the file is missing, too large, no record, of another schema, or
            contradicts itself.
    """
    value = _parsed(path)
    schema = value.get("schema") if isinstance(value, dict) else None
    if type(schema) is not int or schema < 1:
        raise ContractError(f"{path} is not a benchmark record: it states no schema")
    if schema != SCHEMA:
        raise ContractError(
            f"{path} has schema {schema}; this version of csakit reads {SCHEMA}\n"
            "Read it with the version that wrote it, or measure again."
        )
    try:
        summaries = _taken_summaries(value)
        record: Record = _decode(Record, value, "record")
        _compare_summaries(record, summaries)
    except ContractError as error:
        raise ContractError(f"{path} is not a valid benchmark record: {error}") from error
    return record


def without_paths(text: str) -> str:
    """Shorten absolute paths within a text to their last part, so that a record may hold it.

    Args:
        text: any; messages of libraries name files.

    Returns:
        The text.
    """
    return _ABSOLUTE_PATH.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)


def _check_private(value: object) -> None:
    """Refuse absolute paths in any text of a value made of objects and lists."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for part in value:
            _check_private(part)
    elif isinstance(value, str) and (found := _ABSOLUTE_PATH.search(value)):
        raise ContractError(f"a record must hold no absolute path; got {found[0]!r}")


def _with_short_lists(text: str) -> str:
    """Put lists of numbers on one line: a record then has lines, not pages of samples."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)


def _parsed(path: Path) -> Any:  # noqa: ANN401
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ContractError(f"a record has at most {_MOST_BYTES} bytes; {path} has more")
        return json.loads(text, parse_constant=_refused_constant)
    except OSError as error:
        raise ContractError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(f"{path} is not a benchmark record: {error}") from error


def _refused_constant(name: str) -> float:
    raise ContractError(f"numbers must be finite; got {name}")


def _taken_summaries(value: dict[str, Any]) -> list[Any]:
    """Remove the summaries from the measurements of a parsed record, and give them."""
    entries = value.get(_MEASUREMENTS)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ContractError(f"record.{_MEASUREMENTS} must be a list of objects")
    return [entry.pop(_SUMMARY, None) for entry in entries]


def _compare_summaries(record: Record, stated: list[Any]) -> None:
    for measured, summary in zip(record.measurements, stated, strict=True):
        expected = dataclasses.asdict(measured.summary)
        equal = isinstance(summary, dict) and summary.keys() == expected.keys()
        equal = equal and all(_near(summary[name], expected[name]) for name in expected)
        if not equal:
            raise ContractError(
                f"the summary of {measured.rival} on {dict(measured.case)} must follow from its "
                f"samples; got {summary}"
            )


def _near(stated: object, expected: float) -> bool:
    number = isinstance(stated, int | float) and not isinstance(stated, bool)
    return number and math.isclose(stated, expected, rel_tol=_ROUNDING, abs_tol=_ROUNDING)  # type: ignore[arg-type]


@functools.cache
def _types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _decode(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    """Turn parsed JSON into a dataclass, a tuple, a mapping or a scalar of the stated type."""
    if dataclasses.is_dataclass(kind):
        return _decode_object(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {k: _decode(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin in (types.UnionType, typing.Union):
        return _decode_union(arguments, value, where)
    if origin is typing.Literal and type(value) is str and value in arguments:
        return value
    if kind is float and type(value) in (int, float) and _finite(value):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise ContractError(f"{where} must be {_words(kind)}; got {str(value)[:60]!r}")


def _decode_object(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    fields = _types(kind)
    if not isinstance(value, dict) or value.keys() != fields.keys():
        given = sorted(value.keys() ^ fields.keys()) if isinstance(value, dict) else value
        raise ContractError(
            f"{where} must be an object of {', '.join(fields)}; missing or unknown: "
            f"{str(given)[:200]}"
        )
    return kind(**{name: _decode(fields[name], value[name], f"{where}.{name}") for name in fields})


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:  # noqa: ANN401
    """Take the one member of the union that the JSON type fits; a whole number stays whole."""
    if value is None and type(None) in kinds:
        return None
    fitting = [kind for kind in kinds if kind is type(value)]
    others = [kind for kind in kinds if kind is not type(None)]
    return _decode((fitting or others)[0], value, where)


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond all floats
        return False


def _words(kind: Any) -> str:  # noqa: ANN401
    return getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else str(kind)
