"""A program repairs a file as the command does."""

from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime import Inpainter, MaskOptions, repair_file
from PIL import Image

from ..conftest import MakeModel, RecordingSession


@pytest.fixture
def files(tmp_path: Path, photo: np.ndarray) -> tuple[Path, Path, Path]:
    """A photograph with EXIF, a mask of it, and where to write."""
    exif = Image.Exif()
    exif[0x010F] = "maker"
    Image.fromarray(photo).save(tmp_path / "photo.jpg", exif=exif, icc_profile=b"profile")
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[100:140, 200:260] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "photo.jpg", tmp_path / "mask.png", tmp_path / "out.png"


def test_a_file_is_repaired_with_its_metadata(files: tuple[Path, Path, Path]) -> None:
    photo, mask, output = files

    done = repair_file(*map(str, files), model=Inpainter(RecordingSession()), side_by_side=True)

    before, after = (np.asarray(Image.open(path)) for path in (photo, output))
    hole = np.asarray(Image.open(mask)) > 0
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()
    with Image.open(output) as written:
        assert written.getexif()[0x010F] == "maker"
        assert written.info["icc_profile"] == b"profile"
    assert done.size == hole.shape
    assert done.coverage == hole.mean()
    assert done.outputs == (output, output.with_name("out_side_by_side.png"))


def test_a_model_is_opened_by_its_path(
    files: tuple[Path, Path, Path], make_model: MakeModel
) -> None:
    repair_file(*files, model=make_model())

    assert files[2].is_file()


def test_an_output_is_replaced_on_request_only(files: tuple[Path, Path, Path]) -> None:
    inpaint = Inpainter(RecordingSession())
    files[2].write_bytes(b"mine")

    with pytest.raises(ContractError, match="exists; replace it with --overwrite"):
        repair_file(*files, model="is not opened.onnx")
    assert files[2].read_bytes() == b"mine"
    repair_file(*files, model=inpaint, overwrite=True, mask_options=MaskOptions(dilate=2))

    before, after = (np.asarray(Image.open(path)) for path in (files[0], files[2]))
    hole = np.asarray(Image.open(files[1])) > 0
    assert (before != after).any(axis=2).sum() > hole.sum()  # it grew


@pytest.mark.parametrize("side_by_side", [False, True])
def test_a_result_is_written_through_a_link(
    files: tuple[Path, Path, Path], tmp_path: Path, side_by_side: bool
) -> None:
    inpaint, link = Inpainter(RecordingSession()), files[2]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.png").write_bytes(b"old")
    link.symlink_to("elsewhere/real.png")

    with pytest.raises(ContractError, match="exists; replace it with --overwrite"):
        repair_file(*files, model=inpaint)
    repair_file(*files, model=inpaint, overwrite=True, side_by_side=side_by_side)

    assert link.is_symlink()
    with Image.open(tmp_path / "elsewhere" / "real.png") as real, Image.open(files[0]) as photo:
        assert real.size == photo.size


@pytest.mark.parametrize("name", ["gone.png", "out.png", "/dev/null", "photo.jpg"])
def test_a_link_that_cannot_be_written_is_refused_before_the_work(
    files: tuple[Path, Path, Path], name: str
) -> None:
    files[2].symlink_to(name)

    message = r"must lead to what exists|must be a file, to be replaced|must not replace an input"
    with pytest.raises(ContractError, match=message):
        repair_file(*files, model="is not opened.onnx", overwrite=True)
    assert str(files[2].readlink()) == name
