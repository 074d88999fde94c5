"""``csakit train`` trains, stops when it is told to, and runs in several processes unchanged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from csakit.plugins.errors import ExitCode
from csakit.train import checkpoint
from csakit.train.cli.train import main
from csakit.train.training.metrics_log import read_scalars
from csakit.train.training.run_folder import RunFolder
from helpers.training import flags_of
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


def test_a_finished_run_may_be_resumed_and_has_nothing_left_to_do(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["-o", str(run), *flags_of(steps=1, adversarial=0.0)]) == ExitCode.OK
    before = (run / "model.safetensors").read_bytes()

    assert main(["--resume", str(run)]) == ExitCode.OK

    assert (run / "model.safetensors").read_bytes() == before


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
