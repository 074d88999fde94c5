"""``csakit evaluate`` as a user meets it: numbers, files, exit codes, and refusals in a line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from csakit.train import CSAInpainter, checkpoint
from csakit.train.cli.evaluate import evaluate_parser, main, options_of
from csakit.train.data import BUCKETS
from csakit.train.evaluation.pairs import EvaluationOptions
from helpers.exported import Subject
from PIL import Image

PHOTOGRAPHS = ("--data", "scikit-image", "--masks", "center")


def scored(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_a_checkpoint_and_its_exports_have_the_same_scores(
    dynamic_export: Subject,
    fixed_export: Subject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = [dynamic_export.checkpoint, dynamic_export.path, fixed_export.path]
    out = tmp_path / "scores.json"

    code = main([*map(str, models), *PHOTOGRAPHS, "--batch", "2", "--json", str(out)])

    torch_model, floats, pixels = (model["masks"]["center"] for model in scored(out)["models"])
    assert code == 0
    for other in (floats, pixels):
        for one, two in zip(torch_model["images"], other["images"], strict=True):
            assert one["name"] == two["name"]
            for region in ("whole", "inside"):
                # Two that differ by 1e-4 of [-1, 1], the limit of every export, round to another
                # of 255 steps in one of 80 values. Measured with the demo model on photographs:
                # 3e-5 %, 3e-5 dB and 3e-6.
                l1, db, ssim = 100 / 255 / 80, 1e-3, 1e-4
                assert two[region]["l1_percent"] == pytest.approx(one[region]["l1_percent"], abs=l1)
                assert two[region]["psnr_db"] == pytest.approx(one[region]["psnr_db"], abs=db)
                assert two[region]["ssim"] == pytest.approx(one[region]["ssim"], abs=ssim)
    table = capsys.readouterr().out
    assert str(dynamic_export.path) in table  # two files are called model.onnx
    assert table.count("20-30") == len(models)


def test_table_json_and_picture_come_from_one_run(
    small_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "scores.json", tmp_path / "cases.png"
    files = ("--json", str(out), "--grid", str(sheet))

    code = main([str(small_checkpoint), *PHOTOGRAPHS, *files])

    printed = capsys.readouterr()
    record = scored(out)
    inside = record["models"][0]["masks"]["center"]["rows"][0]["inside"]
    assert (code, printed.err) == (0, "")
    assert printed.out.splitlines()[2].split()[-1] == f"{inside['psnr_db']:.2f}"
    assert record["data"]["images"]["names"] == ["chelsea", "coffee"]
    assert record["models"][0]["facts"]["width"] == 4
    with Image.open(sheet) as picture:
        assert picture.width == 3 * 260 + 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.png", "scores.json"]


def test_a_model_that_answers_nan_fails_and_still_leaves_its_record(
    small_model: CSAInpainter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = small_model.state_dict().items()
    huge = {name: torch.full_like(tensor, 1e30) for name, tensor in weights}  # sums overflow
    checkpoint.save(checkpoint.build(small_model.config, huge), tmp_path / "nan.safetensors")
    out, sheet = tmp_path / "scores.json", tmp_path / "cases.png"
    files = ("--json", str(out), "--grid", str(sheet))

    code = main([str(tmp_path / "nan.safetensors"), *PHOTOGRAPHS, *files])

    printed = capsys.readouterr().out
    assert code == 1
    assert "FAILED: nan.safetensors returned NaN or infinity for center in 2 of 2" in printed
    assert printed.splitlines()[2].split()[4:] == ["nan"] * 8
    assert scored(out)["passed"] is False
    assert sheet.is_file()


def test_broken_images_are_skipped_and_counted(
    small_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.full((256, 256, 3), 90, np.uint8)).save(photos / "good.png")
    (photos / "broken.png").write_bytes(b"not a picture")
    out = tmp_path / "scores.json"

    code = main(
        [
            *(str(small_checkpoint), "--data", str(photos), "--split", "all"),
            *("--masks", "center,freeform", "--json", str(out)),
        ]
    )

    printed = capsys.readouterr()
    assert code == 0
    assert "not read, broken: 1, first" in printed.out
    assert printed.err.count("broken.png") == 1  # once, though it was read for both kinds
    assert printed.err.startswith("csakit evaluate: warning: skipped: ")
    assert len(scored(out)["broken"]) == 1


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{model} --data {empty} --masks center", "at least one image for 'val'; got none"),
        ("{model} --data /nowhere --masks center", "'/nowhere' does not exist"),
        ("{model} --data scikit-image --masks {empty}", "must hold at least one; got none"),
        ("{model} --data scikit-image --masks square", "masks must be a folder or one of center"),
        ("{model} --data scikit-image --masks center,", "masks must be one or more of"),
        (
            "{model} --data scikit-image --masks center --size 300",
            "multiple of 256 pixels; got 300",
        ),
        ("{model} --data scikit-image --masks freeform --buckets 5-10", "buckets must be among"),
        ("{model} --data scikit-image --masks center --device abacus", "torch can use here"),
        ("{model} --data scikit-image --masks center --device cuda:99", "--device cpu"),
        ("{model} {model} --data scikit-image --masks center", "each model must be given once"),
        ("/nowhere.safetensors --data scikit-image --masks center", "no checkpoint at /nowhere"),
        ("/nowhere.onnx --data scikit-image --masks center", "must be an existing file"),
        ("/nowhere.pth --data scikit-image --masks center", "csakit convert"),
        ("{model} --data scikit-image --masks center --json {empty}", "is a folder"),
        ("{model} --data scikit-image --masks center --json /no/f.json", "cannot write /no/f.json"),
        ("{model} --data scikit-image --masks center --grid /no/f.png", "cannot write /no/f.png"),
        (
            "{model} --data scikit-image --masks center --grid f.jpg",
            "must be a .png file; got f.jpg",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    small_checkpoint: Path,
    empty: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    words = [word.format(model=small_checkpoint, empty=empty) for word in arguments.split()]

    code = main(words)

    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("csakit evaluate: ")
    assert message in printed.err


def test_a_size_that_a_model_is_not_fixed_to_is_refused(
    fixed_export: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"

    code = main([str(fixed_export.path), *PHOTOGRAPHS, "--size", "512", "--json", str(out)])

    assert code == 2
    assert (
        "takes images of 256 x 256 only; got --size 512\nUse --size 256" in capsys.readouterr().err
    )
    assert not [*tmp_path.iterdir()]


def test_an_engine_is_answered_by_the_runtime(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.engine").write_bytes(b"a plan")

    code = main([str(tmp_path / "model.engine"), *PHOTOGRAPHS])

    assert code == 3
    assert "has no manifest (model.engine.json)" in capsys.readouterr().err


LEAST = ("m.onnx", "--data", "photos", "--masks", "center")
ALL_FLAGS = (
    *("a.onnx", "b.onnx", "--data", "photos", "--masks", "freeform, masks/", "--size", "512"),
    *("--seed", "3", "--count", "7", "--batch", "2", "--buckets", "0-10,10-20"),
    *("--recipe", "celeba", "--split", "all", "--mask-invert"),
)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (LEAST, {"masks": ("center",)}),
        ((*LEAST, "--buckets", "all"), {"masks": ("center",), "buckets": BUCKETS}),
        (
            ALL_FLAGS,
            {
                **{"masks": ("freeform", "masks/"), "size": 512, "seed": 3, "count": 7, "batch": 2},
                **{"buckets": ("0-10", "10-20"), "recipe": "celeba", "split": "all"},
                "mask_invert": True,
            },
        ),
    ],
    ids=["defaults", "all buckets", "every flag"],
)
def test_every_option_has_a_flag(words: tuple[str, ...], options: dict[str, Any]) -> None:
    found = options_of(evaluate_parser().parse_args(words))

    assert found == EvaluationOptions(data="photos", **options)


def test_the_help_says_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate_parser().parse_args(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    for name in ("size", "seed", "batch", "split", "recipe"):
        default = getattr(EvaluationOptions, name)
        assert re.search(rf"--{name} [^-].*?\(default: {default}\)", text)
