"""``csakit verify`` says what is wrong, keeps the failing case, and says how to repeat it."""

import json
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.export.cli.verify import main
from csakit.export.parity.cases import verify_cases
from csakit.runtime import contract
from csakit.runtime.files.atomic import sha256
from csakit.train import ModelConfig, checkpoint
from helpers.exported import Subject, calm_model, set_weight
from helpers.models import make_model
from PIL import Image

from ..conftest import Alter


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder: the command writes where it stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photographs(folder: Path) -> Path:
    """One small photograph, to be quick."""
    (folder / "photographs").mkdir()
    (case, *_) = verify_cases((256, 256))
    Image.fromarray(case.image).save(folder / "photographs" / "cat.png")
    return folder / "photographs"


def run(*arguments: object) -> int:
    """Run the command."""
    return main([str(argument) for argument in arguments])


def test_a_good_model_passes_on_the_bundled_photographs_and_leaves_no_file(
    fixed: Subject, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(fixed.path, "--against", fixed.checkpoint)

    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert code == 0
    assert captured.err == ""
    assert [line.split()[0] for line in lines[1:-1]] == [
        *("rough", "features", "matches", "attended", "output")
    ]
    assert lines[-1] == "PASSED: 12 images, fp32, float I/O; every limit kept"
    assert not list(folder.iterdir())


def test_a_changed_weight_fails_and_the_printed_command_repeats_it(
    fixed: Subject, altered: Alter, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = altered(set_weight)

    code = run(path, "--against", fixed.checkpoint, "--images", photographs)

    printed = capsys.readouterr().out
    assert code == 1
    assert "FAILED: 3 images, fp32, float I/O; 3 broke a limit" in printed
    assert "output: PSNR in dB must be at least 80; got" in printed
    program, verb, *arguments = shlex.split(printed.splitlines()[-3])
    assert (program, verb) == ("csakit", "verify")
    assert arguments[-2:] == ["--case", "failing-cat-centre.npz"]
    assert main(arguments) == 1
    assert "FAILED: 1 images" in capsys.readouterr().out
    assert run(fixed.path, "--against", fixed.checkpoint, *arguments[-2:]) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number_fails(
    fixed: Subject,
    altered: Alter,
    photographs: Path,
    value: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = altered(lambda model: set_weight(model, value))

    code = run(path, "--against", fixed.checkpoint, "--images", photographs, "--json", "r.json")

    record = json.loads(Path("r.json").read_text(), parse_constant=pytest.fail)
    assert code == 1
    assert "NOT FINITE" in capsys.readouterr().out
    assert record["passed"] is False
    assert record["worst"][-1]["finite"] is False


def test_the_json_file_holds_every_stage_of_every_case(fixed: Subject, photographs: Path) -> None:
    code = run(
        *(fixed.path, "--against", fixed.checkpoint),
        *("--images", photographs, "--json", "report.json"),
    )

    record = json.loads(Path("report.json").read_text(), parse_constant=pytest.fail)
    assert code == 0
    assert record["passed"] is True
    assert record["model_sha256"] == sha256(fixed.path)
    assert record["checkpoint_sha256"] == sha256(fixed.checkpoint)
    assert [case["name"] for case in record["cases"]] == ["cat-centre", "cat-strokes", "cat-corner"]
    for stages in (record["worst"], *(case["stages"] for case in record["cases"])):
        assert [stage["stage"] for stage in stages] == [
            *("rough", "features", "matches", "attended", "output")
        ]


def test_other_weights_are_warned_of_and_fail(
    fixed: Subject, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_model(ModelConfig(width=4, similarity="projection"), seed=9)
    checkpoint.save(other, "other.safetensors")

    code = run(fixed.path, "--against", "other.safetensors", "--images", photographs)

    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.startswith("csakit verify: warning: ")
    assert sha256(fixed.checkpoint)[:12] in captured.err
    assert sha256(Path("other.safetensors"))[:12] in captured.err
    assert "FAILED: 3 images" in captured.out


@pytest.mark.parametrize(
    "config",
    [ModelConfig(width=1, attention="conv"), ModelConfig(width=1, similarity="cosine")],
    ids=["attention", "similarity"],
)
def test_another_architecture_is_refused(
    fixed: Subject, config: ModelConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(make_model(config), "other.safetensors")

    code = run(fixed.path, "--against", "other.safetensors")

    error = capsys.readouterr().err
    assert code == 2
    assert "model.onnx has csa attention (projection); the checkpoint has " in error
    assert "Compare a model with the checkpoint it was exported from." in error


def test_a_model_of_the_same_weights_in_another_file_passes(
    fixed: Subject, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(calm_model(), "renamed.safetensors", training={"note": "another header"})

    code = run(fixed.path, "--against", "renamed.safetensors", "--images", photographs)

    assert code == 0
    assert "warning" in capsys.readouterr().err


def test_a_case_of_another_size_is_refused(
    fixed: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    image, hole = np.zeros((512, 256, 3), np.uint8), np.ones((512, 256), np.bool_)
    np.savez("tall.npz", image=image, hole=hole)

    code = run(fixed.path, "--against", fixed.checkpoint, "--case", "tall.npz")

    assert code == 2
    assert "takes images of (256, 256); tall has (512, 256)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("foreign", [], "was not exported by csakit"),
        ("newer", [], "has model format '99'"),
        ("text", [], "model.onnx"),
        ("absent", [], "model.onnx"),
        ("whole", ["--images", "empty"], "empty must be a folder of photographs"),
        ("whole", ["--case", "empty/none.npz"], "cannot read empty/none.npz: No such file"),
        ("whole", ["--json", "absent/r.json"], "cannot write absent/r.json"),
    ],
)
def test_what_is_seen_at_once_is_told_before_the_checkpoint_is_read(
    fixed: Subject,
    folder: Path,
    model: str,
    options: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checkpoint, "load", lambda _: pytest.fail("the checkpoint was read"))
    (folder / "empty").mkdir()
    proto = onnx.load(fixed.path)
    if model == "foreign":
        del proto.metadata_props[:]
    for entry in proto.metadata_props:
        if entry.key == contract.META_FORMAT and model == "newer":
            entry.value = "99"
    if model == "text":
        (folder / "model.onnx").write_text("no model")
    elif model != "absent":
        onnx.save(proto, folder / "model.onnx")

    assert run("model.onnx", "--against", fixed.checkpoint, *options) == 2
    error = capsys.readouterr().err
    assert error.startswith("csakit verify: ")
    assert told in error


@pytest.mark.parametrize(
    ("key", "value"),
    [(contract.META_IO, None), (contract.META_PRECISION, None), (contract.META_PRECISION, "int8")],
)
def test_a_model_with_incomplete_or_unknown_metadata_is_refused(
    fixed: Subject,
    altered: Alter,
    key: str,
    value: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def change(model: onnx.ModelProto) -> None:
        (entry,) = (entry for entry in model.metadata_props if entry.key == key)
        entry.value = value or ""
        if value is None:
            model.metadata_props.remove(entry)

    assert run(altered(change), "--against", fixed.checkpoint) == 2
    printed = capsys.readouterr().err
    assert key in printed
    assert f"got {value!r}" in printed


def test_a_model_that_onnx_runtime_cannot_load_is_named(
    fixed: Subject, altered: Alter, capfd: pytest.CaptureFixture[str]
) -> None:
    def break_an_operator(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Nonsense"

    code = run(altered(break_an_operator), "--against", fixed.checkpoint)

    assert code == 3
    err = capfd.readouterr().err  # also what libraries write there
    assert "ONNX Runtime cannot load altered.onnx" in err.replace(f"{Path.cwd()}/", "")
    assert "[E:" not in err
    assert "\x1b" not in err
