"""The demo training writes a model that loads, and refuses what cannot be trained."""

from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError, ExitCode
from csakit.train import CSAInpainter, ModelConfig, checkpoint, demo_training
from csakit.train.demo_training import HELD_OUT, PHOTOGRAPHS, DemoTraining, main
from safetensors import safe_open


def test_a_moment_of_training_writes_a_float16_checkpoint(tmp_path: Path) -> None:
    output = tmp_path / "demo.safetensors"

    code = main(["-o", str(output), "--minutes", "0.02", "--width", "2", "--seed", "7"])

    assert code == ExitCode.OK
    header = checkpoint.read_header(output)
    summary = header["training"]
    assert (header["width"], header["similarity"], header["attention"]) == (2, "cosine", "csa")
    assert (summary["width"], summary["minutes"], summary["seed"]) == (2, 0.02, 7)
    assert summary["steps"] >= 1
    assert 0 < summary["final_loss"] < 10
    with safe_open(output, framework="pt") as file:
        assert file.get_tensor("rough.levels.0.down.weight").dtype == torch.float16
    model = checkpoint.load(output)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_the_photographs_of_the_demo_are_never_trained_on() -> None:
    assert not {*HELD_OUT} & {*PHOTOGRAPHS}


@pytest.mark.parametrize(
    ("field", "value"), [("minutes", 0.0), ("minutes", -1.0), ("batch", 0), ("batch", -2)]
)
def test_what_cannot_be_trained_is_refused(field: str, value: float) -> None:
    with pytest.raises(ContractError, match=rf"{field} must be positive .*; got {value}"):
        DemoTraining(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--minutes", "0"],
        ["--minutes", "nan"],
        ["--batch", "0"],
        ["--width", "0"],
        ["--learning-rate", "-1"],
        ["--seed", "-1"],
    ],
    ids=" ".join,
)
def test_bad_options_are_reported_and_leave_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code = main(["-o", str(tmp_path / "demo.safetensors"), "--minutes", "0.001", *arguments])

    assert code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("python -m csakit.train.demo_training: ")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["demo.pth", "nowhere/demo.safetensors"])
def test_an_output_that_cannot_be_written_is_refused_before_an_hour_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(demo_training, "_batch", lambda *_: pytest.fail("the training began"))

    code = main(["-o", str(tmp_path / name), "--minutes", "60", "--width", "1"])

    assert code == ExitCode.USAGE


def test_training_goes_on_from_a_checkpoint_and_says_so(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(["-o", str(first), "--width", "2", "--minutes", "0.01"]) == ExitCode.OK

    code = main(["-o", str(second), "--width", "2", "--minutes", "0.01", "--start", str(first)])

    assert code == ExitCode.OK
    header = checkpoint.read_header(second)["training"]
    assert header["earlier"] == checkpoint.read_header(first)["training"]


def test_a_start_of_another_width_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start.safetensors"
    checkpoint.save(CSAInpainter(ModelConfig(width=1)), start)

    code = main(["-o", str(tmp_path / "x.safetensors"), "--width", "2", "--start", str(start)])

    assert code == ExitCode.USAGE
    assert "must have width 2" in capsys.readouterr().err
