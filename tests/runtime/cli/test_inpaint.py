"""``csakit inpaint``: files in, files out, one readable line for everything that is wrong."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime.cli.inpaint import main
from PIL import Image

from ..conftest import MakeModel

Run = Callable[..., tuple[int, str, str]]
ONE = ("photo.png", "mask.png", "-o", "out.png")


@pytest.fixture
def work(tmp_path: Path, photo: np.ndarray, make_model: MakeModel) -> Path:
    """A folder with photo.png, mask.png and model.onnx."""
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(hole_of(photo)).save(tmp_path / "mask.png")
    make_model()
    return tmp_path


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in that folder: code, stdout, stderr."""
    monkeypatch.chdir(work)

    def run(*arguments: str) -> tuple[int, str, str]:
        model = () if "--model" in arguments else ("--model", "model.onnx")
        try:
            code = main([*arguments, *model])
        except SystemExit as exit:  # argparse
            code = int(exit.code or 0)
        return code, *capsys.readouterr()

    return run


def hole_of(photo: np.ndarray) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], dtype=np.uint8)
    mask[100:140, 200:260] = 255
    return mask


def write_photos(photo: np.ndarray, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / name)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_an_image_is_repaired_where_the_mask_is_white(
    run: Run, work: Path, photo: np.ndarray
) -> None:
    code, out, err = run(*ONE, "--blend", "none")

    hole = hole_of(photo) == 255
    result = read(work / "out.png")
    assert (code, err) == (ExitCode.OK, "")
    assert out.startswith("wrote out.png: 451 x 300, 1.8 % repaired in ")
    np.testing.assert_array_equal(result[~hole], photo[~hole])
    assert len(np.unique(result[hole], axis=0)) == 1  # the mean colour


def test_side_by_side_shows_input_mask_and_result(run: Run, work: Path, photo: np.ndarray) -> None:
    code, out, _ = run("photo.png", "mask.png", "-o", "out.webp", "--side-by-side")

    row = read(work / "out_side_by_side.png")
    assert code == ExitCode.OK
    assert "out.webp and out_side_by_side.png" in out
    assert row.shape == (300, 3 * 451 + 16, 3)
    np.testing.assert_array_equal(row[:, :451], photo)
    np.testing.assert_array_equal(row[:, 459:910, 0], hole_of(photo))


def test_alpha_survives_bit_by_bit(run: Run, work: Path, photo: np.ndarray) -> None:
    alpha = np.arange(300 * 451, dtype=np.uint32).astype(np.uint8).reshape(300, 451)
    Image.fromarray(np.dstack([photo, alpha])).save(work / "photo.png")

    assert run(*ONE)[0] == ExitCode.OK

    np.testing.assert_array_equal(read(work / "out.png")[..., 3], alpha)


@pytest.mark.parametrize("strategy", ["crop", "resize", "whole"])
def test_every_option_is_accepted(run: Run, strategy: str) -> None:
    code, _, err = run(
        *("photo.png", "mask.png", "-o", "out.jpg", "--strategy", strategy, "--margin", "32"),
        *("--blend", "feather", "6", "--max-side", "256", "--threads", "1"),
        *("--mask-threshold", "9"),
        *("--dilate", "3", "--quality", "80"),
    )

    assert (code, err) == (ExitCode.OK, "")


def test_an_existing_output_is_kept_unless_told_otherwise(run: Run, work: Path) -> None:
    (work / "out.png").write_text("precious")

    code, _, err = run(*ONE)

    assert code == ExitCode.USAGE
    assert err == "csakit inpaint: out.png exists; replace it with --overwrite\n"
    assert (work / "out.png").read_text() == "precious"
    assert run(*ONE, "--overwrite")[0] == ExitCode.OK


@pytest.mark.parametrize("target", ["photo.png", "mask.png", "sub/../photo.png", "link.png"])
def test_an_input_is_never_replaced(run: Run, work: Path, target: str) -> None:
    (work / "sub").mkdir()
    (work / "link.png").symlink_to(work / "photo.png")
    before = (work / "photo.png").read_bytes(), (work / "mask.png").read_bytes()

    code, _, err = run("photo.png", "mask.png", "-o", target, "--overwrite")

    assert code == ExitCode.USAGE
    assert "an output must not replace an input" in err
    assert ((work / "photo.png").read_bytes(), (work / "mask.png").read_bytes()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent.png", "mask.png", "-o", "out.png"), "existing files; got absent.png"),
        (("photo.png", "absent.png", "-o", "out.png"), "existing files; got absent.png"),
        (("photo.png", "mask.png", "-o", "out.gif"), "must be one of .png, .jpg"),
        (("photo.png", "mask.png", "-o", "no/out.png"), "Choose an existing folder"),
        (("photo.png", "mask.png", "-o", "."), "must be a file; . is a folder"),
        (("model.onnx", "mask.png", "-o", "out.png"), "its content is not"),
        ((*ONE, "--margin", "1"), "8 to 65536 pixels"),
        ((*ONE, "--threads", "0"), "1 to 1024; got 0"),
        ((*ONE, "--format", "png"), "--format is for folders"),
        ((*ONE, "--quality", "0"), "1 to 100; got 0"),
        ((*ONE, "--blend", "soft"), "seamless, none, or feather"),
        (("--blend", "feather", *ONE), "required: MASK"),
        ((*ONE, "--blend", "feather", "0"), "got 'feather 0'"),
        ((*ONE, "--blend", "feather"), "got 'feather'"),
        (("photo.png", "mask.png"), "the following arguments are required: -o/--output"),
        ((*ONE, "--resume"), "csakit inpaint: --resume is for folders\n"),
        ((*ONE, "--recursive"), "csakit inpaint: --recursive is for folders\n"),
        ((*ONE, "--model", "absent.onnx"), "must be an existing file; got absent.onnx"),
        ((*ONE, "--model", "photo.png"), "must be .onnx or .engine; got 'photo.png'"),
        ((*ONE, "--model", "absent.engine"), "must be an existing file; got absent.engine"),
        ((*ONE, "--threads", "2000000000"), "threads must be 1 to 1024; got 2000000000"),
        ((*ONE, "--max-side", "-" + "9" * 30), "a whole number; got a number far out of range"),
        ((*ONE, "--device", "cuda:" + "9" * 30), "device must be"),
    ],
)
def test_wrong_usage_is_a_line_and_exit_code_2(
    run: Run, work: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(*arguments)

    assert (code, out) == (ExitCode.USAGE, "")
    assert message in err
    assert "Traceback" not in err
    assert not (work / "out.png").exists()


def test_doubts_about_a_mask_reach_the_user_as_one_line(run: Run, work: Path) -> None:
    Image.new("L", (451, 300)).save(work / "mask.png")

    code, _, err = run(*ONE)

    assert code == ExitCode.OK
    assert err == (
        "csakit inpaint: warning: mask.png marks nothing (white is missing): "
        "the result is the input\n"
    )
    np.testing.assert_array_equal(read(work / "out.png"), read(work / "photo.png"))


def test_logging_is_left_as_it_was(run: Run) -> None:
    before = logging.getLogger("csakit").handlers[:]

    run(*ONE)

    assert logging.getLogger("csakit").handlers == before


def test_a_folder_is_repaired_and_what_is_skipped_is_named(
    run: Run, work: Path, photo: np.ndarray
) -> None:
    images = work / "images"
    write_photos(photo, images, "a.jpg", "b.png", "c.gif")
    (images / "broken.png").write_bytes((images / "b.png").read_bytes()[:9999])
    (images / "notes.txt").touch()

    code, out, err = run("images", "mask.png", "-o", "new/out")

    assert code == ExitCode.USAGE
    assert out.startswith("3 repaired, 1 skipped, in ")
    assert out.endswith(f"-> {Path('new/out')}\n")
    assert "skipped broken.png: " in err
    assert "not images, ignored: notes.txt" in err
    assert "it/s" not in err  # no bar where there is no terminal
    assert {path.name for path in (work / "new/out").iterdir()} == {"a.jpg", "b.png", "c.png"}


def test_a_second_folder_run_replaces_nothing_unless_told(
    run: Run, work: Path, photo: np.ndarray
) -> None:
    write_photos(photo, work / "images", "a.png")
    arguments = ("images", "mask.png", "-o", "out", "--format", "bmp")

    assert run(*arguments)[0] == ExitCode.OK
    code, out, err = run(*arguments)

    assert code == ExitCode.USAGE
    assert out.startswith("0 repaired, 1 skipped, in ")
    assert "a.bmp exists; replace it with --overwrite" in err
    assert run(*arguments, "--overwrite")[0] == ExitCode.OK


def test_warnings_of_a_folder_run_name_their_image(run: Run, work: Path, photo: np.ndarray) -> None:
    write_photos(photo, work / "images", "a.png")
    Image.new("L", (451, 300)).save(work / "mask.png")

    _, _, err = run("images", "mask.png", "-o", "out")

    assert err.startswith("csakit inpaint: a.png: warning: mask.png marks nothing")


def test_an_interrupted_folder_run_is_taken_up(run: Run, work: Path, photo: np.ndarray) -> None:
    write_photos(photo, work / "images", "a.png", "b.png", "sub/c.png")
    arguments = ("images", "mask.png", "-o", "out", "--recursive", "--side-by-side")
    assert run(*arguments)[0] == ExitCode.OK
    before = (work / "out/a.png").stat().st_mtime_ns
    (work / "out/b_side_by_side.png").unlink()
    (work / "out/sub/c.png").unlink()

    code, out, err = run(*arguments, "--resume")

    assert code == ExitCode.OK
    assert out.startswith("2 repaired, 0 skipped, 1 done before, in ")
    assert "skipped" not in err
    assert (work / "out/a.png").stat().st_mtime_ns == before
    assert {path.name for path in (work / "out/sub").iterdir()} == {"c.png", "c_side_by_side.png"}
    code, out, _ = run(*arguments, "--resume")
    assert code == ExitCode.OK
    assert out.startswith("0 repaired, 0 skipped, 3 done before, in ")


def test_an_image_is_not_its_own_mask(run: Run, work: Path) -> None:
    (work / "same.png").symlink_to("photo.png")

    for mask in ("photo.png", "same.png"):
        code, _, err = run("photo.png", mask, "-o", "out.png")
        assert code == ExitCode.USAGE
        assert "IMAGE and MASK must be two files; got photo.png for both" in err


def test_side_by_side_of_a_grey_photograph_is_what_was_written(
    run: Run, work: Path, photo: np.ndarray
) -> None:
    Image.fromarray(photo).convert("L").save(work / "photo.png")

    assert run(*ONE, "--side-by-side")[0] == ExitCode.OK

    with Image.open(work / "out_side_by_side.png") as row:
        assert row.mode == "L"
        np.testing.assert_array_equal(np.asarray(row)[:, -451:], read(work / "out.png"))


def test_reasons_that_come_again_are_summed_up(run: Run, work: Path, photo: np.ndarray) -> None:
    write_photos(photo, work / "images", "a.png", "b.png", "c.png")
    write_photos(hole_of(photo), work / "masks", "b.png")

    code, out, err = run("images", "masks", "-o", "out")

    assert code == ExitCode.USAGE
    assert out.startswith("1 repaired, 2 skipped, in ")
    assert err.splitlines()[-1] == (
        "csakit inpaint: skipped 2 times, first a.png: no mask a.* or a_mask.* in masks"
    )
