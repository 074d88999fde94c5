"""What makes models leaves in an empty home only what was asked for."""

import shutil
from pathlib import Path

import pytest
from helpers.exported import Subject
from helpers.home import MAIN, Home
from helpers.training import flags_of

SM_89 = ["--targets", "sm_89"]  # there may be no GPU
CAT = ["--data", "scikit-image", "--count", "1", "--masks", "box"]
ATTENTION = ["--backends", "oracle", "--holes", "3", "--side", "8", "--channels", "16"]


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (["export", "a.safetensors", "-o", "m.onnx", "--size", "256"], "m.onnx"),
        (["train", "-o", "run", *flags_of(steps=2)], "run"),
        (["build", "a.onnx", "-o", "m.engine", "--builder", "tensorrt-rtx", *SM_89], "m.engine"),
        (["triton", "a.onnx", "-o", "repository"], "repository"),
        (["evaluate", "a.onnx", *CAT, "--json", "scores.json"], "scores.json"),
        (["bench", "attention", *ATTENTION, "--seconds", "0.1", "--json", "r.json"], "r.json"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_leaves_only_what_was_asked_for(
    tmp_path: Path, calm_checkpoint: Path, fixed: Subject, arguments: list[str], made: str
) -> None:
    if arguments[0] == "build":
        pytest.importorskip("tensorrt_rtx")
    home = Home(tmp_path)
    shutil.copy(calm_checkpoint, home.work / "a.safetensors")
    shutil.copy(fixed.path, home.work / "a.onnx")

    done = home.python("-c", MAIN, *arguments, OMP_NUM_THREADS="1")

    assert done.returncode == 0, done.stderr
    assert (home.work / made).exists()
    assert home.left() == []
    asked = {"a.safetensors", "a.onnx", ".csakit-cache", made, f"{made}.json"}
    assert {path.name for path in home.work.iterdir()} <= asked
