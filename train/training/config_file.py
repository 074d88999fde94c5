"""Configurations as TOML: shipped recipes, files of users, and the configuration of a stopped run.

A choice maps section to key to value and holds only what a user set; the classes have defaults.
"""

import contextlib
import dataclasses
import difflib
import json
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from ...runtime.files.atomic import atomic_write
from ...runtime.files.failures import failure
from ..fields import optional_of
from .config import TrainConfig
from .run_folder import RunFolder

Choice = dict[str, dict[str, Any]]

SECTIONS: Final[dict[str, type]] = typing.get_type_hints(TrainConfig)
SECTION_OF: Final[dict[str, str]] = {
    field.name: section for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)
}
RECIPE_FOLDER: Final = Path(__file__).parents[1] / "recipes"

# Keys that change logging, saving or speed, but not the trained weights.
_CHANGEABLE: Final = frozenset(
    {key for key, section in SECTION_OF.items() if section == "records"} | {"workers"}
)


def recipe_names() -> list[str]:
    """Return the names of the recipes that csakit ships."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml"))


def find_recipe(given: Path) -> Path:
    """Return the file of a shipped recipe, or the path if it exists or names no recipe."""
    recipe = RECIPE_FOLDER / f"{given}.toml"
    return recipe if str(given) in recipe_names() and not given.exists() else given


def read(path: Path) -> Choice:
    """Read a configuration file; the classes check its values later."""
    if sys.version_info >= (3, 11):  # deferred: help needs no tomli
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows adds a BOM
    except OSError as error:
        raise failure(error, f"read the configuration {path}") or error from error
    except (ValueError, RecursionError) as error:  # also bad UTF-8 and huge numbers
        raise ContractError(f"{path} is not TOML: {error}") from error
    choice: Choice = {}
    for section, values in document.items():
        if section not in SECTIONS or not isinstance(values, dict):
            raise ContractError(f"{path}: {_unknown_section(section)}")
        hints = typing.get_type_hints(SECTIONS[section])
        for key, value in values.items():
            if key not in hints:
                raise ContractError(f"{path}: {_unknown_key(key, section)}")
            choice.setdefault(section, {})[key] = coerce(hints[key], value)
    return choice


def coerce(hint: Any, value: Any) -> Any:  # noqa: ANN401
    """Convert whole numbers to floats and lists to tuples where the type asks for it."""
    wanted = optional_of(hint) or hint
    if wanted is float and type(value) is int:
        with contextlib.suppress(OverflowError):  # the classes refuse it
            return float(value)
    if typing.get_origin(wanted) is tuple and isinstance(value, list):
        parts = typing.get_args(wanted)
        same = len(parts) == len(value)
        return tuple(map(coerce, parts, value)) if same else tuple(value)
    return value


def build(*choices: Choice) -> TrainConfig:
    """Create a configuration from choices; later ones override earlier ones."""
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


def read_resumed(folder: Path, *choices: Choice, extend: int | None = None) -> TrainConfig:
    """Return the configuration of a run with a user's changes; ``extend`` raises its steps."""
    run = RunFolder(folder)
    if not run.config.is_file():
        raise ContractError(
            f"a run to resume must have a config.toml; none was found in {folder}\n"
            f"Start a new run with -o {folder}."
        )
    kept = read(run.config)
    if extend is not None:
        steps = build(kept).optimisation.steps
        if extend <= steps:
            raise ContractError(
                f"the steps of {folder} must be raised above {steps}; got --extend {extend}"
            )
        kept.setdefault("optimisation", {})["steps"] = extend
    config = build(kept, *choices)
    before, after = build(kept).to_dict(), config.to_dict()
    changed = [
        f"{key}: {before[section][key]} in the run, {new} now"
        for section, values in after.items()
        for key, new in values.items()
        if new != before[section][key] and key not in _CHANGEABLE
    ]
    if changed:
        listed = "\n".join(f"  {line}" for line in changed)
        raise ContractError(
            f"a resumed run must keep its configuration; these keys differ\n{listed}\n"
            f"Leave these out, or start a new run from its weights with --start {run.model}.\n"
            "More steps are added with --extend."
        )
    return config


def write(config: TrainConfig, path: Path) -> None:
    """Write a configuration as TOML: every key but those that are None."""
    blocks = []
    for section, values in config.to_dict().items():
        lines = [f"{key} = {_literal(v)}" for key, v in values.items() if v is not None]
        blocks.append("\n".join([f"[{section}]", *lines]))
    with atomic_write(path) as temporary:
        temporary.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _literal(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        # TOML's basic strings escape as JSON does, except for this character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _unknown_section(name: str) -> str:
    if name in SECTION_OF:
        return f"{name!r} belongs in the section [{SECTION_OF[name]}]"
    return f"a section must be one of {', '.join(SECTIONS)}; got {name!r}{_hint(name, SECTIONS)}"


def _unknown_key(name: str, section: str) -> str:
    if name in SECTION_OF:
        return f"{name!r} belongs in [{SECTION_OF[name]}]; found it in [{section}]"
    own = [key for key, home in SECTION_OF.items() if home == section]
    return (
        f"a key of [{section}] must be one of {', '.join(own)}; got {name!r}"
        f"{_hint(name, SECTION_OF)}"
    )


def _hint(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    home = SECTION_OF.get(close[0])
    return f"\nDid you mean {close[0]!r}{f' in [{home}]' if home else ''}?"
