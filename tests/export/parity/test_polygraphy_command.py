"""The printed command of Polygraphy runs, fails where csakit fails and passes where it passes."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.export.cli.verify import main
from csakit.export.config import ExportConfig
from csakit.export.parity.cases import Case, export_cases
from csakit.export.parity.compare import compare_stage
from csakit.export.parity.polygraphy_command import Rerun, notes, repeat_command
from csakit.export.parity.probe import Probe
from csakit.export.parity.report import StageParity
from csakit.plugins.locations import LIBRARY_VARIABLE
from helpers.exported import Subject, set_weight
from PIL import Image

from ..conftest import Alter

CASE = export_cases(ExportConfig(size=256))[0]
# The console script is where pip puts it, which is not always on PATH.
PROGRAM = [sys.executable, "-c", "import sys; from polygraphy.tools import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder whose name wants quoting: the command writes where it stands."""
    (tmp_path / "it's here").mkdir()
    monkeypatch.chdir(tmp_path / "it's here")
    return tmp_path / "it's here"


def polygraphy(command: list[str]) -> int:
    """Run a printed command as a shell would."""
    assert command[:2] == ["polygraphy", "run"]
    finished = subprocess.run(
        [*PROGRAM, *command[1:], "--log-format", "no-colors"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in finished.stderr
    assert ("FAILED" in finished.stdout) == bool(finished.returncode)
    return finished.returncode


def test_the_command_of_a_failing_model_runs_and_judges_as_csakit_does(
    fixed: Subject, altered: Alter, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = altered(lambda m: set_weight(m, numbers=slice(48)))
    model = folder / "wrong model.onnx"
    model.write_bytes(wrong.read_bytes())
    (folder / "pictures").mkdir()
    Image.fromarray(CASE.image).save(folder / "pictures" / "cat.png")

    code = main([*map(str, (model, "--against", fixed.checkpoint, "--images", "pictures"))])

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-2] == "or in Polygraphy with"
    command = shlex.split(lines[-1])
    assert command[2] == str(model)
    assert polygraphy(command) == 1
    command[2] = str(fixed.path)
    assert polygraphy(command) == 0


def test_the_command_of_a_failing_inner_tensor_shows_that_tensor(
    half: Subject, fixed: Subject, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(half.proto)
    set_weight(proto, name="rough.levels.0.up.weight", numbers=slice(48))  # before a tanh
    onnx.save(proto, folder / "wrong.onnx")
    np.savez("case.npz", image=CASE.image, hole=CASE.hole)

    options = ["--against", str(fixed.path), "--layerwise", "--all-tensors", "--case", "case.npz"]
    code = main(["wrong.onnx", *options])

    printed = capsys.readouterr().out
    assert code == 1
    name = "/rough/levels.0/up/ConvTranspose"
    assert f"first tensor that diverges: {name} (ConvTranspose of rough." in printed
    command = shlex.split(printed.splitlines()[-1])
    assert command[command.index("--onnx-outputs") + 1] == name
    assert polygraphy(command) == 1


def stage_of(name: str, reference: np.ndarray, found: np.ndarray) -> StageParity:
    return compare_stage(name, reference, found, CASE, precision="fp16", io="float")


def broken(name: str) -> StageParity:
    right = np.zeros((3, 256, 256), dtype=np.float32)
    return dataclasses.replace(stage_of("output", right, right), stage=name, broken=("a limit",))


def option(command: tuple[str, ...], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize(("io", "unit"), [("float", 1.0), ("uint8", 127.5)])
def test_a_least_psnr_in_the_hole_becomes_a_greatest_distance(
    fixed: Subject, io: str, unit: float
) -> None:
    right = Probe(fixed.path).run(CASE)["output"]
    rerun = Rerun(path=Path("m.onnx"), io=io, precision="fp16")

    command = repeat_command(rerun, CASE, stage_of("output", right, right), right)

    filled = 3 * np.count_nonzero(CASE.hole)
    square = (float(option(command, "--l2-threshold")) / unit) ** 2 / filled
    assert 10 * np.log10(4 / square) == pytest.approx(45, abs=1e-3)
    assert option(command, "--compare") == "l2"


def test_the_saved_files_hold_the_case_and_the_right_bytes(fixed: Subject) -> None:
    from polygraphy.comparator import RunResults
    from polygraphy.json import load_json

    right = Probe(fixed.path).run(CASE)["output"]
    rerun = Rerun(path=Path("m.onnx"), io="uint8", precision="fp32")

    command = repeat_command(rerun, CASE, stage_of("output", right, right), right)

    (inputs,) = load_json(option(command, "--load-inputs"))
    (outputs,) = RunResults.load(option(command, "--load-outputs"))["reference"]
    np.testing.assert_array_equal(inputs["image"], CASE.image[None])
    np.testing.assert_array_equal(inputs["mask"][0, :, :, 0] != 0, CASE.hole)
    assert outputs["output"].dtype == np.uint8
    known = ~CASE.hole
    np.testing.assert_array_equal(outputs["output"][0][known], CASE.image[known])
    assert float(option(command, "--atol")) == pytest.approx(1 + 127.5e-4)


def test_a_relative_limit_becomes_an_absolute_one_for_the_case() -> None:
    features = np.full((2, 4, 4), 50, dtype=np.float32)
    rerun = Rerun(path=Path("m.onnx"), io="float", precision="fp16")

    command = repeat_command(rerun, CASE, stage_of("features", features, features), features)

    assert option(command, "--check-error-stat") == "mean"
    assert float(option(command, "--atol")) == pytest.approx(0.5)  # 1e-2 of 50


ENGINE = Rerun(path=Path("m.engine"), io="float", precision="fp16", runner="trt", plugin=True)


def words(rerun: Rerun, case: Case = CASE) -> str:
    right = np.zeros((3, 256, 256), dtype=np.float32)
    return shlex.join(repeat_command(rerun, case, stage_of("output", right, right), right))


def test_an_engine_is_run_with_its_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(folder))
    (folder / "libcsakit_trt_autoreg.so").touch()

    command = words(ENGINE)

    assert command.startswith("polygraphy run m.engine --trt --model-type engine --plugins ")
    assert shlex.split(command)[7] == str(folder / "libcsakit_trt_autoreg.so")
    assert notes(ENGINE, (broken("output"),)) == []


def test_broken_matches_are_said_to_be_out_of_sight() -> None:
    rerun = dataclasses.replace(ENGINE, plugin=False)

    assert notes(rerun, (broken("matches"),)) == [
        "Polygraphy cannot see the match indices; CSA's output is compared instead."
    ]


def test_a_plugin_that_is_not_built_is_named_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(folder))

    assert "--plugins libcsakit_trt_autoreg.so" in words(ENGINE)
    assert notes(ENGINE, (broken("output"),)) == [
        "Polygraphy's --plugins needs a library that is not built: "
        "csakit plugin build --tensorrt-include DIR"
    ]


def test_tensorrt_for_rtx_is_switched_on_in_the_environment() -> None:
    model = Rerun(path=Path("m.onnx"), io="float", precision="fp16", runner="trt", rtx=True)

    command = words(model)

    assert command.startswith("env POLYGRAPHY_USE_TENSORRT_RTX=1 polygraphy run m.onnx --trt ")
    assert "--strongly-typed --trt-outputs output" in command
    assert "--plugins" not in command


def test_files_are_written_whole_or_not_at_all(folder: Path) -> None:
    words(ENGINE)

    assert sorted(path.name for path in folder.iterdir()) == [
        *("failing-chelsea-centre.expected.json", "failing-chelsea-centre.inputs.json")
    ]
    for path in folder.iterdir():
        json.loads(path.read_text())
