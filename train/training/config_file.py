"""Configurations as TOML: read with every mistake named, written so that reading gives the same.

A choice is a mapping from section to key to value that states only what a user chose; what it
leaves out comes from the classes.
"""

import dataclasses
import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from ...runtime.files.atomic import staged
from .config import TrainConfig
from .fields import annotations, coerce

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Choice = dict[str, dict[str, Any]]

SECTIONS: Final[dict[str, type]] = annotations(TrainConfig)
SECTION_OF: Final[dict[str, str]] = {
    field.name: section for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)
}


def read(path: Path) -> Choice:
    """Read what a configuration file chooses.

    Args:
        path: a TOML file.

    Returns:
        The choice; keys and sections exist, values are still to be checked by the classes.

    Raises:
        ContractError: the file is missing or no TOML, or has an unknown section or key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot read the configuration {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{path} is not TOML: {error}") from error
    return from_mapping(document, source=str(path))


def from_mapping(document: Mapping[str, Any], *, source: str) -> Choice:
    """Take what a parsed document chooses; see ``read``."""
    choice: Choice = {}
    for section, values in document.items():
        if section not in SECTIONS or not isinstance(values, Mapping):
            raise ContractError(f"{source}: {_unknown_section(section)}")
        hints = annotations(SECTIONS[section])
        for key, value in values.items():
            if key not in hints:
                raise ContractError(f"{source}: {_unknown_key(key, section)}")
            choice.setdefault(section, {})[key] = coerce(hints[key], value)
    return choice


def build(*choices: Choice) -> TrainConfig:
    """Make the configuration that choices describe; a later choice overrides earlier ones.

    Raises:
        ContractError: a value breaks the rule of its class, or the data is not stated.
    """
    merged: Choice = {section: {} for section in SECTIONS}
    for choice in choices:
        for section, values in choice.items():
            merged[section].update(values)
    if "data" not in merged["data"]:
        raise ContractError(
            "the training data must be stated; got none\n"
            "Give --data FOLDER, --data procedural or --data scikit-image."
        )
    return TrainConfig(**{section: cls(**merged[section]) for section, cls in SECTIONS.items()})


def text_of(config: TrainConfig) -> str:
    """Write a configuration as TOML, every key of it; what is None is left out."""
    blocks = []
    for section, values in config.to_dict().items():
        lines = [f"{key} = {_literal(v)}" for key, v in values.items() if v is not None]
        blocks.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def write(config: TrainConfig, path: Path) -> None:
    """Write a configuration file.

    Raises:
        ContractError: it cannot be written there.
    """
    with staged(path) as temporary:
        temporary.write_text(text_of(config), encoding="utf-8")


def _literal(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        # TOML's basic strings escape as JSON does, but for this one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _unknown_section(name: str) -> str:
    if name in SECTION_OF:
        return f"{name!r} belongs into the section [{SECTION_OF[name]}]"
    return f"a section must be one of {', '.join(SECTIONS)}; got {name!r}{_hint(name, SECTIONS)}"


def _unknown_key(name: str, section: str) -> str:
    if name in SECTION_OF:
        return f"{name!r} belongs into [{SECTION_OF[name]}]; found it in [{section}]"
    own = [key for key, home in SECTION_OF.items() if home == section]
    return (
        f"a key of [{section}] must be one of {', '.join(own)}; got {name!r}"
        f"{_hint(name, SECTION_OF)}"
    )


def _hint(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    home = SECTION_OF.get(close[0])
    return f"\nDid you mean {close[0]!r}{f' in [{home}]' if home else ''}?"
