"""A run learns, stops, goes on exactly where it was, and ends with what it should leave."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, DivergenceError
from csakit.train import checkpoint
from csakit.train.training import config_file, loop
from csakit.train.training.config import RecordsConfig
from csakit.train.training.loop import train
from csakit.train.training.metrics_log import read_scalars
from csakit.train.training.run_folder import RunFolder
from csakit.train.training.state import Progress, save_state
from csakit.train.training.train_step import TrainStep
from helpers.training import small_config, write_images
from safetensors.torch import load_file

MOMENT = 1e-9  # minutes; over before the first step ends


def assert_equal_tensors(first: Path, second: Path) -> None:
    one, other = load_file(first), load_file(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not one[name].equal(other[name])] == []


def test_four_images_are_learnt_by_heart(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", 5)  # one is held out
    config = small_config(
        data=str(photos), recipe="celeba", adversarial=0.0, width=8, learning_rate=5e-3, steps=60
    )

    train(config, tmp_path / "run")

    errors = [line["reconstruction"] for line in read_scalars(tmp_path / "run" / "scalars.jsonl")]
    assert len(errors) == 60
    assert np.mean(errors[:5]) > 2.5 * np.mean(errors[-10:])  # measured: 3.0


def test_a_stopped_run_ends_bit_for_bit_like_an_unbroken_one(tmp_path: Path) -> None:
    whole = small_config(steps=5, ema=0.9, clip=10.0, masks="freeform", decay_from=0.2)
    broken = dataclasses.replace(whole, records=RecordsConfig(log_every=1, minutes=MOMENT))

    train(whole, tmp_path / "whole")
    stops = [train(broken, tmp_path / "broken").step]
    stops.append(train(broken, tmp_path / "broken", resume=True).step)
    stops.append(train(whole, tmp_path / "broken", resume=True).step)

    assert stops == [1, 2, 5]
    runs = [RunFolder(tmp_path / name) for name in ("whole", "broken")]
    assert_equal_tensors(*(run.state(5) for run in runs))
    assert_equal_tensors(*(run.model for run in runs))
    lines = [[line["total"] for line in read_scalars(run.scalars)] for run in runs]
    assert lines[0] == lines[1]


def test_a_run_that_was_killed_repeats_what_was_not_saved(tmp_path: Path) -> None:
    config = small_config(steps=4, save_every=2, keep=9, adversarial=0.0)
    train(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    killed = RunFolder(tmp_path / "killed")
    killed.state(4).unlink()  # as if it had stopped between the states

    train(config, killed.path, resume=True)

    assert_equal_tensors(RunFolder(tmp_path / "whole").state(4), killed.state(4))
    assert [line["step"] for line in read_scalars(killed.scalars)] == [1, 2, 3, 4]


def test_a_run_that_was_killed_before_its_first_state_begins_again(tmp_path: Path) -> None:
    config = small_config(steps=2, adversarial=0.0)
    train(config, tmp_path / "whole")
    run = RunFolder(tmp_path / "killed")
    run.create()
    config_file.write(config, run.config)

    train(config, run.path, resume=True)

    assert_equal_tensors(RunFolder(tmp_path / "whole").state(2), run.state(2))


def test_the_newest_states_the_best_model_and_the_configuration_are_kept(tmp_path: Path) -> None:
    config = small_config(
        **{"steps": 6, "save_every": 1, "keep": 2, "validate_every": 2, "image_every": 3},
        **{"validation": "procedural", "validation_count": 2, "adversarial": 0.0, "log_every": 4},
    )

    outcome = train(config, tmp_path / "run")

    run = RunFolder(tmp_path / "run")
    assert (outcome.step, outcome.signal, outcome.exit_code) == (6, 0, 0)
    assert run.states() == [run.state(5), run.state(6)]
    assert config_file.build(config_file.read(run.config)) == config
    lines = read_scalars(run.scalars)
    figures = {line["step"]: line.get("validation_hole_psnr_db") for line in lines}
    best = max(step for step in figures if figures[step] == max(filter(None, figures.values())))
    assert [line["step"] for line in lines] == [2, 4, 4, 6]
    training = checkpoint.read_header(run.best)["training"]
    assert (training["steps"], training["validation_hole_psnr_db"]) == (best, figures[best])
    assert run.samples.is_file()


def test_the_checkpoint_tells_of_its_training_and_has_the_generator_alone(tmp_path: Path) -> None:
    config = small_config(steps=1, vgg="random", consistency=0.01, ema=0.5)

    train(config, tmp_path / "run")

    path = tmp_path / "run" / "model.safetensors"
    training = checkpoint.read_header(path)["training"]
    assert training["steps"] == 1
    assert training["vgg"] == {"kind": "random", "origin": "random, seed 0"}
    assert training["images"]["kind"] == "procedural"
    assert training["configuration"] == json.loads(json.dumps(config.to_dict()))
    assert checkpoint.load(path).config == config.model
    assert {name.split(".")[0] for name in load_file(path)} == {"rough", "refinement"}


def test_the_checkpoint_to_start_from_may_be_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(small_config(steps=1), tmp_path / "first")
    start = (tmp_path / "first" / "model.safetensors").rename(tmp_path / "start.safetensors")

    def remove_and_save(step: TrainStep, progress: Progress, path: Path) -> None:
        start.unlink(missing_ok=True)
        save_state(step, progress, path)

    monkeypatch.setattr(loop, "save_state", remove_and_save)
    train(small_config(steps=2, save_every=1, start=str(start)), tmp_path / "run")

    training = checkpoint.read_header(tmp_path / "run" / "model.safetensors")["training"]
    assert (training["steps"], training["start"]["steps"]) == (2, 1)


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_its_batch(tmp_path: Path) -> None:
    config = small_config(learning_rate=1e30, adversarial=0.0, save_every=1)

    with pytest.raises(DivergenceError) as stopped:
        train(config, tmp_path / "run")

    (path,) = (tmp_path / "run").glob("not-finite-step-*-process-0.npz")
    text = str(stopped.value)
    assert str(path) in text
    assert f"csakit train --resume {tmp_path / 'run'}" in text
    assert "reconstruction" in text
    with np.load(path) as batch:
        assert batch["image"].shape == (1, 3, 256, 256)
        assert batch["hole"].sum() == 120 * 120


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()

    with pytest.raises(ContractError, match=r"has files\nGo on with its run by --resume"):
        train(small_config(), tmp_path / "run")


def test_bad_data_is_refused_before_the_folder_is_made(tmp_path: Path) -> None:
    for values in ({"data": "nowhere"}, {"start": "nowhere.safetensors"}, {"vgg": "nowhere.pth"}):
        config = small_config(**{"consistency": 0.01} | values)

        with pytest.raises(ContractError, match="nowhere"):
            train(config, tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_broken_images_are_skipped_and_counted(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", 6)
    for path in [*photos.iterdir()][:3]:
        path.write_bytes(b"no image")

    train(small_config(data=str(photos), adversarial=0.0, steps=8), tmp_path / "run")

    last = read_scalars(tmp_path / "run" / "scalars.jsonl")[-1]
    assert last["step"] == 8
    assert 1 <= last["skipped_files"] <= 3
