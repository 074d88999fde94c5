"""A resumed run keeps what it learns by; what only decides when something is written may change."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training import config_file
from csakit.train.training.resuming import configuration
from helpers.training import choice_of, small_config


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config_file.write(small_config(), tmp_path / "config.toml")
    return tmp_path


def test_without_choices_the_configuration_is_that_of_the_run(run: Path) -> None:
    assert configuration(run) == small_config()
    assert configuration(run, choice_of(width=2, steps=4)) == small_config()


def test_records_and_workers_may_change(run: Path) -> None:
    choice = choice_of(workers=3, minutes=1.5, keep=7)

    assert configuration(run, choice) == small_config(workers=3, minutes=1.5, keep=7)


@pytest.mark.parametrize(
    ("key", "value"), [("width", 4), ("steps", 5), ("seed", 1), ("batch", 2), ("devices", 2)]
)
def test_what_changes_the_weights_may_not(run: Path, key: str, value: int) -> None:
    with pytest.raises(ContractError, match=rf"changed are\n  {key}: .* in the run, {value} now"):
        configuration(run, choice_of(**{key: value}))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"must have a config\.toml; there is none"):
        configuration(tmp_path)
