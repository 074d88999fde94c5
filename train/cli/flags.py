"""Command-line flags from the fields of configuration classes."""

import argparse
import dataclasses
import typing
from collections.abc import Iterable
from typing import Any, Final, Literal

from ..fields import help_texts, optional_of

_NONE: Final = "none"  # value of a flag that unsets an optional key of a file


def add_flags(
    group: "argparse._ArgumentGroup",
    cls: type,
    names: Iterable[str] | None = None,
    *,
    defaults: bool = True,
    **special: dict[str, Any],
) -> None:
    """Add flags for named fields of a class, or all; ``special`` has argparse options by name."""
    texts, hints = help_texts(cls), typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in fields if names is None else names:
        given = special.get(name, {})
        default = fields[name].default
        required = defaults and default is dataclasses.MISSING
        text = texts.get(name, "").rstrip(".") + _default(default)
        options = {
            **({} if "type" in given or "action" in given else _argument(hints[name])),
            "help": text.replace("%", "%%"),
            # suppressed: the results of parsing hold only the flags that were given
            "default": default if defaults and not required else argparse.SUPPRESS,
            **({"required": True} if required else {}),
            **given,
        }
        group.add_argument(flag_of(name), **options)


def flag_of(name: str) -> str:
    """Return the flag of a key."""
    return f"--{name.replace('_', '-')}"


def _default(value: object) -> str:
    if value is dataclasses.MISSING or value is None or value is False:
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return f" (default: {' '.join(map(str, values))})"


def _argument(hint: Any) -> dict[str, Any]:  # noqa: ANN401
    if inner := optional_of(hint):
        return {"type": _or_none(inner), "metavar": inner.__name__.upper()}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"choices": parts}
    if origin is tuple:
        return {"nargs": len(parts), "type": parts[0], "metavar": parts[0].__name__.upper()}
    return {"type": hint, "metavar": hint.__name__.upper()}


def _or_none(inner: Any) -> Any:  # noqa: ANN401
    def read(text: str) -> Any:  # noqa: ANN401
        return None if text == _NONE else inner(text)

    read.__name__ = inner.__name__  # argparse names it in its message
    return read
