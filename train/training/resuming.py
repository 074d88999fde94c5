"""A resumed run keeps its configuration; only what does not change its weights may change."""

from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from . import config_file
from .config import TrainConfig
from .config_file import SECTION_OF, Choice
from .run_folder import RunFolder

# Keys that decide when something is written or how fast images come, not what is learnt.
FREE: Final = frozenset(
    {key for key, section in SECTION_OF.items() if section == "records"} | {"workers"}
)


def configuration(folder: Path, *choices: Choice) -> TrainConfig:
    """Read the configuration of a run to resume, and apply what may change.

    Args:
        folder: of the run.
        choices: what the user states now.

    Returns:
        The run's configuration with the free keys of the choices.

    Raises:
        ContractError: there is no run, or a choice would change what it learns.
    """
    path = RunFolder(folder).config
    if not path.is_file():
        raise ContractError(
            f"a run to resume must have a config.toml; there is none in {folder}\n"
            f"Start a new run with -o {folder}."
        )
    kept = config_file.read(path)
    before, after = config_file.build(kept), config_file.build(kept, *choices)
    changed = [
        f"{key}: {old} in the run, {new} now"
        for section, values in before.to_dict().items()
        for key, old in values.items()
        if (new := after.to_dict()[section][key]) != old and key not in FREE
    ]
    if changed:
        listed = "\n".join(f"  {line}" for line in changed)
        raise ContractError(
            f"a resumed run must keep its configuration; changed are\n{listed}\n"
            f"Leave these out, or start a new run from its weights with "
            f"--start {RunFolder(folder).model}."
        )
    return after
