"""A run's folder is new, and keeps the newest of its states."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training.run_folder import RunFolder


def test_states_are_found_in_the_order_of_their_steps_and_the_newest_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    assert run.newest_state() is None
    for step in (900, 1000, 20):
        run.state(step).touch()
    (run.path / "states" / ".step-000001000.abcd.safetensors").touch()  # of an interrupted write

    assert run.states() == [run.state(20), run.state(900), run.state(1000)]
    assert run.newest_state() == run.state(1000)
    run.remove_old_states(keep=2)
    assert run.states() == [run.state(900), run.state(1000)]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ContractError, match=r"cannot write the run .*: Not a directory"):
        RunFolder(tmp_path / "file" / "run").create()
