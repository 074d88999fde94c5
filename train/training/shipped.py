"""The configurations that come with csakit, by name."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "recipes"


def names() -> list[str]:
    """List the recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(given: Path) -> Path:
    """Give the recipe of a name, unless there is a file that is called so.

    Args:
        given: a file, or the name of a recipe.

    Returns:
        The file to read; what was given, where no recipe has that name.
    """
    recipe = FOLDER / f"{given}.toml"
    return recipe if str(given) in names() and not given.exists() else given
