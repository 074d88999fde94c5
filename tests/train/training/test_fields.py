"""Configuration classes say what their fields are, and nothing else is taken for them."""

import dataclasses
import math
from typing import Any, Literal

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training.fields import coerce, help_texts, require, require_types


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """An example.

    Attributes:
        count: a number, told
            on two lines
        share: another.
    """

    count: int = 1
    share: float = 0.5
    on: bool = True
    word: str = "x"
    choice: Literal["a", "b"] = "a"
    pair: tuple[float, float] = (0.0, 1.0)
    limit: float | None = None


def test_help_comes_from_the_docstring() -> None:
    assert help_texts(Example) == {"count": "a number, told on two lines", "share": "another."}


@pytest.mark.parametrize(
    "values",
    [
        {"count": 3, "share": 2, "on": False, "word": "", "choice": "b"},
        {"pair": (1, 2.5), "limit": 3.0},
        {"limit": 3},
    ],
)
def test_values_of_the_stated_types_are_taken(values: dict[str, Any]) -> None:
    require_types(Example(**values))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("count", 1.0, "a whole number"),
        ("count", True, "a whole number"),
        ("count", None, "a whole number"),
        ("share", "1", "a finite number"),
        ("share", math.nan, "a finite number"),
        ("share", math.inf, "a finite number"),
        ("on", 1, "true or false"),
        ("word", 1, "a text"),
        ("choice", "c", r"one of \('a', 'b'\)"),
        ("pair", (1.0,), "2 values, each a finite number"),
        ("pair", [1.0, 2.0], "2 values, each a finite number"),
        ("limit", "none", "a finite number, or nothing"),
    ],
)
def test_anything_else_is_refused_with_the_rule(name: str, value: object, rule: str) -> None:
    with pytest.raises(ContractError, match=rf"^{name} must be {rule}; got "):
        require_types(Example(**{name: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hint", "value", "coerced"),
    [
        (float, 1, 1.0),
        (float | None, 1, 1.0),
        (float, True, True),  # left for the class to refuse
        (int, 1.0, 1.0),
        (tuple[float, float], [1, 2.5], (1.0, 2.5)),
        (tuple[float, float], [1], (1,)),
        (str, "1", "1"),
    ],
)
def test_what_files_cannot_say_is_coerced(hint: object, value: object, coerced: object) -> None:
    result = coerce(hint, value)

    assert result == coerced
    assert type(result) is type(coerced)


def test_a_rule_that_is_kept_is_silent_and_a_broken_one_is_told() -> None:
    require(True, "side", "positive", 1)
    with pytest.raises(ContractError, match=r"^side must be positive; got -1$"):
        require(False, "side", "positive", -1)
