"""A run's folder is new, and keeps the newest of its states."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training.run_folder import RunFolder


def test_states_are_found_by_their_names_in_the_order_of_their_steps(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    for step in (900, 1000, 20):
        run.state(step).touch()
    (run.path / "states" / ".step-000001000.abcd.safetensors").touch()  # of an interrupted write

    assert run.states() == [run.state(20), run.state(900), run.state(1000)]
    assert run.newest_state() == run.state(1000)


def test_old_states_are_removed_and_the_newest_stay(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    for step in (1, 2, 3):
        run.state(step).touch()

    run.remove_old_states(keep=2)

    assert run.states() == [run.state(2), run.state(3)]


def test_a_run_without_states_has_no_newest(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).newest_state() is None


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ContractError, match=r"cannot write the run .*: Not a directory"):
        RunFolder(tmp_path / "file" / "run").create()
