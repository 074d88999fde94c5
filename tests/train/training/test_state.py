"""A state holds all that a step depends on; files that are not one are refused."""

from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError, DivergenceError
from csakit.train.training.state import Progress, load_state, save_state
from helpers.training import train_step_of
from safetensors import safe_open
from safetensors.torch import load_file, save_file

IMAGE = torch.linspace(-1, 1, 256).expand(1, 3, 256, 256).contiguous()
HOLE = (IMAGE[:, :1].abs() < 0.4).float()
PROGRESS = Progress(step=1, seconds=2.5, best_psnr_db=20.0, best_step=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state after one step with everything that has a state."""
    train_step = train_step_of(ema=0.9)
    train_step.run(IMAGE, HOLE, 0)
    path = tmp_path_factory.mktemp("state") / "states" / "step-000000001.safetensors"
    path.parent.mkdir()
    save_state(train_step, PROGRESS, path)
    return path


def test_a_loaded_state_is_the_saved_one_bit_for_bit(saved: Path, tmp_path: Path) -> None:
    train_step = train_step_of(ema=0.9, seed=5)

    progress = load_state(train_step, saved)
    save_state(train_step, progress, tmp_path / "again.safetensors")

    before, after = load_file(saved), load_file(tmp_path / "again.safetensors")
    assert progress == PROGRESS
    assert before.keys() == after.keys()
    assert all(before[name].equal(after[name]) for name in before)


def test_everything_that_learns_is_in_the_state(saved: Path) -> None:
    train_step = train_step_of(ema=0.9)
    assert train_step.discriminators is not None
    parameters = {"generator": train_step.network, "critics": train_step.discriminators}

    names = set(load_file(saved))

    for name, module in parameters.items():
        count = len([*module.parameters()])
        own = {key for key in names if key.startswith(f"optimiser.{name}.")}
        assert len(own) == 3 * count  # Adam's two moments and its count
    assert {f"network.{name}" for name in train_step.network.state_dict()} <= names
    assert {f"average.module.{name}" for name in train_step.network.state_dict()} <= names
    assert {f"critics.{name}" for name in train_step.discriminators.state_dict()} <= names


def test_a_state_of_other_modules_is_refused(saved: Path) -> None:
    with pytest.raises(ContractError, match="is a state of another configuration"):
        load_state(train_step_of(ema=0.9, width=1), saved)


def test_an_optimiser_state_of_other_parameters_is_refused(saved: Path, tmp_path: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    tensors = {n: t for n, t in load_file(saved).items() if not n.startswith("optimiser.critics.3")}
    save_file(tensors, tmp_path / "s.safetensors", metadata=metadata)

    with pytest.raises(ContractError, match="it has optimiser states of"):
        load_state(train_step_of(ema=0.9), tmp_path / "s.safetensors")


def test_foreign_newer_and_damaged_files_are_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    train_step = train_step_of(ema=0.9)
    save_file({}, path, metadata={"format": "pt"})
    with pytest.raises(ContractError, match="was not written by `csakit train`"):
        load_state(train_step, path)
    save_file({}, path, metadata={"csakit_training": '{"format": 2}'})
    with pytest.raises(ContractError, match="has state format 2; this csakit reads 1"):
        load_state(train_step, path)
    path.write_bytes(saved.read_bytes()[:-1])
    with pytest.raises(ContractError, match="is not a readable state"):
        load_state(train_step, path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    train_step = train_step_of(adversarial=0.0)
    with torch.no_grad():
        train_step.network.rough.levels[0].down.weight[0, 0, 0, 0] = torch.nan

    with pytest.raises(DivergenceError, match="after step 1; 1 tensors are not, the first network"):
        save_state(train_step, PROGRESS, tmp_path / "s.safetensors")

    assert not [*tmp_path.iterdir()]
