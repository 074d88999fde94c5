"""Fields of a file that nobody vouches for have the type they should, or are named."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError, LibraryError
from csakit.runtime.files import typed_json
from csakit.runtime.files.typed_json import decode, read_object


@dataclasses.dataclass(frozen=True)
class Inner:
    name: str
    sides: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner | None
    several: tuple[Inner, ...]
    on: bool
    note: str | None
    rest: Mapping[str, Any]


INNER = {"name": "a", "sides": [1, 2]}
OUTER = {"inner": INNER, "several": [INNER, INNER], "on": True, "note": None, "rest": {"x": [1.5]}}


def test_objects_become_dataclasses() -> None:
    inner = Inner("a", (1, 2))

    assert decode(Outer, OUTER) == Outer(inner, (inner, inner), True, None, {"x": [1.5]})


def test_none_is_taken_where_it_is_allowed() -> None:
    assert decode(Outer, {**OUTER, "inner": None, "note": "text"}).note == "text"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": {"name": "a"}}, "missing required field `sides` - at `$.inner`"),
        ({"more": 1}, "missing or unknown fields: more - at `$`"),
        ({"several": [INNER, {**INNER, "x": 1}]}, "fields: x - at `$.several[1]`"),
        ({"inner": {**INNER, "name": 3}}, "Expected `str`, got `int` - at `$.inner.name`"),
        (
            {"inner": {**INNER, "sides": [1, True]}},
            "Expected `int`, got `bool` - at `$.inner",
        ),
        ({"inner": {**INNER, "sides": [1.5]}}, "Expected `int`, got `float` - at `$.inner.sides"),
        ({"several": INNER}, "Expected `array`, got `object` - at `$.several`"),
        ({"several": [[]]}, "Expected `object`, got `array` - at `$.several"),
        ({"on": 1}, "Expected `bool`, got `int` - at `$.on`"),
        ({"rest": None}, "Expected `object`, got `null` - at `$.rest`"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError) as caught:
        decode(Outer, {**OUTER, **change})

    assert message in str(caught.value)


def test_without_msgspec_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)

    with pytest.raises(LibraryError, match="pip install msgspec"):
        decode(Inner, INNER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]", "must hold a JSON object; got list"),
        (b"{", "must be a JSON file"),
        (b"\xff\xfe\x00", "must be a JSON file"),
        (b"[" * 100_000, "must be a JSON file"),
        (b"", "must be a JSON file"),
        (b"\x1f\x8b\x08", "is a packed file"),
        (b"<html>", "is a web page"),
        (bytes(typed_json.MAX_BYTES + 1), "at most 1048576 bytes"),
        (None, r"cannot read .*x\.json: No such file"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)

    with pytest.raises(ContractError, match=message):
        read_object(tmp_path / "x.json")
