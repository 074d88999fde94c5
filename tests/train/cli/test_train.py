"""``csakit train`` trains, stops when it is told to, and runs in several processes unchanged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ExitCode
from csakit.train import checkpoint
from csakit.train.cli.train import choice_of as choice_of_args
from csakit.train.cli.train import main, train_parser
from csakit.train.training.config_file import SECTION_OF, SECTIONS, build, read, write
from csakit.train.training.metrics_log import read_scalars
from csakit.train.training.run_folder import RunFolder
from helpers.training import choice_of, flags_of, words_of
from safetensors.torch import load_file

PROGRAM = str(Path(sys.executable).with_name("csakit"))
PATIENCE_S = 120  # seconds; a step takes 0.1 s on a free machine


def started(*arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [PROGRAM, "train", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for_steps(run: RunFolder, steps: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(read_scalars(run.scalars)) < steps:
        assert time.monotonic() < deadline, "the run does not begin"
        time.sleep(0.05)


def test_a_configuration_file_and_flags_train_a_model(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\ndata = "nowhere"\n[optimisation]\nseed = 3\n')
    run = tmp_path / "run"

    code = main(["--config", str(tmp_path / "c.toml"), "-o", str(run), *flags_of(steps=1)])

    assert code == ExitCode.OK
    training = checkpoint.read_header(run / "model.safetensors")["training"]
    assert training["configuration"]["optimisation"]["seed"] == 3
    assert training["configuration"]["data"]["data"] == "procedural"


def test_a_finished_run_may_be_resumed_and_has_nothing_left_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    assert main(["-o", str(run), *flags_of(steps=1, adversarial=0.0)]) == ExitCode.OK
    before = (run / "model.safetensors").read_bytes()

    with caplog.at_level("INFO"):
        assert main(["--resume", str(run)]) == ExitCode.OK

    assert (run / "model.safetensors").read_bytes() == before
    assert f"{run} is finished after 1 steps; --extend N trains on to N" in caplog.text


def test_a_finished_run_is_extended_to_what_one_run_would_have_been(tmp_path: Path) -> None:
    flags = flags_of(steps=1, adversarial=0.0, decay_from=1.0)
    short, long = tmp_path / "short", tmp_path / "long"
    assert main(["-o", str(short), *flags]) == ExitCode.OK
    assert main(["-o", str(long), *flags, "--steps", "2"]) == ExitCode.OK

    assert main(["--resume", str(short), "--extend", "2"]) == ExitCode.OK

    weights = [load_file(run / "model.safetensors") for run in (short, long)]
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())
    assert main(["--resume", str(short), "--extend", "2"]) == ExitCode.USAGE
    assert main(["-o", str(tmp_path / "new"), *flags, "--extend", "2"]) == ExitCode.USAGE


def test_a_run_says_what_it_trains_and_what_comes_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    flags = flags_of(steps=2, adversarial=0.0, validation_count=1, validate_every=2)

    with caplog.at_level("INFO"):
        assert main(["-o", str(run), *flags]) == ExitCode.OK

    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    assert lines[0].startswith("network: 0.1 million parameters, width 2, attention csa")
    assert lines[1] == "images: procedural, 10000 an epoch; masks: center"
    assert lines[2] == "validation images: 1 every 2 steps"
    assert lines[3] == "steps 1 to 2 of batch 1 on cpu, 1 process"
    assert lines[4] == "Ctrl-C stops after the step that is running, and saves."
    assert lines[5].startswith("the first step took ")
    assert lines[-2].startswith(f"wrote {run}/model.safetensors after 2 steps; best.safetensors be")
    assert lines[-1] == f"next: csakit export {run}/model.safetensors -o model.onnx"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--width", "0"], "width must be an integer in 1..128; got 0"),
        (["--config", "absent.toml"], "cannot read the configuration absent.toml"),
    ],
)
def test_bad_input_is_a_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], complaint: str
) -> None:
    code = main(["-o", str(tmp_path / "run"), *flags_of(), *flags])

    assert code == ExitCode.USAGE
    error = capsys.readouterr().err
    assert error.startswith("csakit train: ")
    assert complaint in error
    assert not (tmp_path / "run").exists()


def test_a_run_that_diverges_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = flags_of(learning_rate=1e30, adversarial=0.0)

    code = main(["-o", str(tmp_path / "run"), *flags])

    assert code == ExitCode.CHECK_FAILED
    assert "every loss must be finite" in capsys.readouterr().err


def test_a_run_stops_when_it_is_told_to_and_can_be_resumed(tmp_path: Path) -> None:
    """Both signals in one run, because each start costs seconds."""
    run = RunFolder(tmp_path / "run")
    flags = flags_of(steps=100_000, adversarial=0.0, workers=1)
    ends = []

    for number, arguments in (
        (signal.SIGTERM, ["-o", str(run.path), *flags]),
        (signal.SIGINT, ["--resume", str(run.path)]),
    ):
        process = started(*arguments)
        wait_for_steps(run, len(read_scalars(run.scalars)) + 2)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 128 + number
        assert "Traceback" not in errors
        assert f"; resume: csakit train --resume {run.path}" in errors
        steps = read_scalars(run.scalars)[-1]["step"]
        assert run.newest_state() == run.state(int(steps))
        ends.append(steps)

    assert 2 <= ends[0] < ends[1]
    assert checkpoint.read_header(run.model)["training"]["steps"] == ends[1]


def test_two_processes_train_like_one_with_the_doubled_batch(tmp_path: Path) -> None:
    """In double precision, because the attention of a new network amplifies rounding.

    Some tensors are float32 all the same, which leaves 1e-7. Adam turns a gradient that is all
    but 0 into a whole step unless its ``epsilon`` is larger than that.
    """
    flags = flags_of(steps=2, epsilon=1e-2, precision="64", decay_from=1.0)
    process = started("-o", str(tmp_path / "two"), *flags, "--devices", "2")
    assert main(["-o", str(tmp_path / "one"), *flags, "--batch", "2"]) == ExitCode.OK
    still = ["--steps", "1", "--learning-rate", "1e-30"]
    assert main(["-o", str(tmp_path / "none"), *flags, *still]) == ExitCode.OK
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == ExitCode.OK, errors
    two, one, none = (RunFolder(tmp_path / name) for name in ("two", "one", "none"))
    for name in ("reconstruction", "adversarial", "discriminators"):
        losses = [[line[name] for line in read_scalars(run.scalars)] for run in (two, one)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    found, expected, before = (load_file(run.states()[-1]) for run in (two, one, none))
    for part in ("network.", "critics."):
        names = [name for name in expected if name.startswith(part)]
        apart = max(float((found[name] - expected[name]).abs().max()) for name in names)
        moved = max(float((before[name] - expected[name]).abs().max()) for name in names)
        assert moved > 3e-4
        assert apart < 2e-6  # measured: 4e-7


# One value for every key, none of them the default.
VALUES: dict[str, Any] = {
    **{"data": "photos", "masks": "center", "mask_ratio": (0.2, 0.3), "mask_invert": True},
    **{"mask_buckets": "10-20,20-30", "recipe": "paris", "cache": 64, "size": 512, "batch": 3},
    **{"workers": 5, "validation": "others", "validation_masks": "center", "validation_count": 7},
    **{"width": 16, "attention": "conv", "similarity": "projection", "fill": "interpolated"},
    **{"prediction": "residual", "reconstruction": 2.0, "error": "relative", "rough_weight": 0.5},
    **{"known_weight": 0.25, "consistency": 1e-3, "adversarial": 0.0, "patch": False},
    **{"patch_width": 32, "feature_patch": False, "feature_patch_width": 128},
    **{"judged": "composite", "texture": 0.1, "features": 0.1, "vgg": "random", "steps": 9},
    **{"learning_rate": 1e-5, "decay_from": 0.75, "betas": (0.9, 0.99), "epsilon": 1e-6},
    **{"clip": 1.5, "ema": 0.999, "seed": 11, "start": "m.safetensors", "stage": "rough"},
    **{"accelerator": "cpu", "devices": 2, "nodes": 2, "strategy": "ddp"},
    **{"precision": "bf16-mixed", "log_every": 1, "image_every": 2, "validate_every": 3},
    **{"save_every": 4, "keep": 5, "minutes": 6.0},
}
# Keys without which a value is refused.
NEEDED: dict[str, dict[str, Any]] = {
    "prediction": {"fill": "interpolated"},
    "error": {"fill": "interpolated"},
    "stage": {"adversarial": 0.0, "consistency": 0.0},
}


def parsed(*arguments: str) -> dict[str, dict[str, Any]]:
    return choice_of_args(train_parser().parse_args(["-o", "run", *arguments]))


def test_every_key_is_tried_here() -> None:
    assert set(VALUES) == set(SECTION_OF)


@pytest.mark.parametrize("name", VALUES)
def test_a_flag_chooses_its_key_and_survives_toml(name: str, tmp_path: Path) -> None:
    value = VALUES[name]

    choice = parsed(*words_of(name, value))

    assert choice == choice_of(**{name: value})
    config = build(choice_of(data="x", **NEEDED.get(name, {})), choice)
    section = SECTION_OF[name]
    assert config.to_dict()[section][name] == value
    assert value != SECTIONS[section].__dataclass_fields__[name].default
    write(config, tmp_path / "config.toml")
    assert build(read(tmp_path / "config.toml")) == config


def test_no_flag_chooses_nothing() -> None:
    assert parsed() == {}


def test_an_optional_value_of_a_file_can_be_undone() -> None:
    config = build(choice_of(data="x", clip=1.0), parsed("--clip", "none"))

    assert config.optimisation.clip is None


def test_help_describes_every_flag_and_names_its_default() -> None:
    actions = {action.dest: action for action in train_parser()._actions}

    assert [name for name in SECTION_OF if len(actions[name].help or "") < 10] == []
    assert "(default: 0.5 0.999)" in (actions["betas"].help or "")
    assert "(default: 64)" in (actions["width"].help or "")
    assert "per cent" in train_parser().format_help()  # no stray % of argparse's format


@pytest.mark.parametrize(
    "arguments",
    [[], ["-o", "a", "--resume", "b"], ["-o", "a", "--batch", "x"], ["-o", "a", "--wid"]],
)
def test_wrong_usage_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train_parser().parse_args(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: csakit train")
