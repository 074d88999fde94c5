"""Image files are read and written back in their own mode, or refused with the reason."""

import dataclasses
import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, ResourceError
from csakit.runtime.images.encode import OUTPUT_FORMATS, Picture, load_image, save_image
from csakit.runtime.images.metadata import Metadata
from PIL import Image, ImageDraw

from .conftest import carried


@pytest.fixture
def rgb(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (21, 33, 3), dtype=np.uint8)


def in_mode(rgb: np.ndarray, mode: str) -> Image.Image:
    """A picture in a mode; alpha is a ramp."""
    if mode in ("LA", "RGBA"):
        image = Image.fromarray(rgb).convert(mode)
        image.putalpha(Image.fromarray(np.arange(rgb[..., 0].size, dtype=np.uint8).reshape(21, 33)))
        return image
    return Image.fromarray(rgb).convert(mode)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        *itertools.product([".png", ".tif"], ["L", "RGB", "LA", "RGBA"]),
        *((".bmp", mode) for mode in ("L", "RGB")),
    ],
)
def test_lossless_files_return_bit_by_bit_in_their_mode(
    tmp_path: Path, rgb: np.ndarray, suffix: str, mode: str
) -> None:
    source = in_mode(rgb, mode)

    result = carried(tmp_path, source, suffix)

    assert result.mode == mode
    np.testing.assert_array_equal(np.asarray(result), np.asarray(source))


@pytest.mark.parametrize(("mode", "written"), [("1", "L"), ("P", "RGB"), ("CMYK", "RGB")])
def test_other_modes_are_written_in_the_nearest_one(
    tmp_path: Path, rgb: np.ndarray, mode: str, written: str
) -> None:
    source = in_mode(rgb, mode)

    result = carried(tmp_path, source, ".tif", to=".png")

    assert result.mode == written
    expected = np.asarray(source.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(result.convert("RGB")), expected)


def test_cmyk_is_converted_with_a_warning_and_loses_its_profile(
    tmp_path: Path, rgb: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    in_mode(rgb, "CMYK").save(tmp_path / "in.jpg", icc_profile=b"inks" * 50)

    picture = load_image(tmp_path / "in.jpg")

    assert picture.metadata.icc_profile is None
    assert "in.jpg is CMYK: it becomes RGB, without colour management" in caplog.text


def test_palettes_and_colour_keys_keep_their_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putdata([0, 1, 0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    Image.new("RGB", (4, 1), (9, 9, 9)).save(tmp_path / "key.png", transparency=(9, 9, 9))
    Image.new("L", (4, 1), 7).save(tmp_path / "grey.png", transparency=7)

    assert load_image(tmp_path / "p.png").alpha.tolist() == [[255, 0, 255, 0]]
    assert load_image(tmp_path / "key.png").alpha.tolist() == [[0] * 4]
    assert load_image(tmp_path / "grey.png").grey
    assert load_image(tmp_path / "grey.png").alpha.tolist() == [[0] * 4]


def test_a_repaired_grey_image_stays_grey_and_its_known_pixels_equal(
    tmp_path: Path, rgb: np.ndarray
) -> None:
    in_mode(rgb, "L").save(tmp_path / "in.png")
    picture = load_image(tmp_path / "in.png")
    pixels = picture.pixels.copy()
    pixels[3:5, 3:5] = (200, 20, 90)

    save_image(dataclasses.replace(picture, pixels=pixels), tmp_path / "out.png")

    changed = np.zeros((21, 33), dtype=bool)
    changed[3:5, 3:5] = True
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == "L"
        grey = np.asarray(result)
    np.testing.assert_array_equal(grey[~changed], picture.pixels[..., 0][~changed])
    assert (grey[changed] == 82).all()  # 0.299, 0.587 and 0.114 of the colour


@pytest.mark.parametrize("suffix", OUTPUT_FORMATS)
def test_the_suffix_chooses_the_output_format(
    tmp_path: Path, photo: np.ndarray, suffix: str
) -> None:
    result = carried(tmp_path, Image.fromarray(photo), ".png", to=suffix)

    assert result.format == OUTPUT_FORMATS[suffix]
    error = np.abs(np.asarray(result.convert("RGB")).astype(int) - photo)
    assert error.mean() < 1.5  # the lossy ones at their default quality


def test_an_opaque_alpha_channel_needs_none_and_another_is_not_dropped(
    tmp_path: Path, rgb: np.ndarray
) -> None:
    carried(tmp_path, Image.fromarray(rgb).convert("RGBA"), ".png", to=".jpg")
    (tmp_path / "out.jpg").unlink()

    with pytest.raises(ContractError, match=r"JPEG has no alpha channel(.|\n)*\.png"):
        carried(tmp_path, in_mode(rgb, "RGBA"), ".png", to=".jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_a_mode_that_rgb_cannot_stand_for_is_refused(tmp_path: Path) -> None:
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tif")

    with pytest.raises(ContractError, match=r"lab\.tif is LAB"):
        load_image(tmp_path / "lab.tif")


@pytest.mark.parametrize("name", ["x.gif", "x.heic", "x", "x.PNG.tmp"])
def test_an_unknown_output_suffix_is_refused_with_the_known_ones(
    tmp_path: Path, photo: np.ndarray, name: str
) -> None:
    Image.fromarray(photo).save(tmp_path / "in.png")
    picture = load_image(tmp_path / "in.png")

    with pytest.raises(ContractError, match=r"must be one of \.png, \.jpg"):
        save_image(picture, tmp_path / name)


def test_a_failing_encoder_leaves_the_old_file(tmp_path: Path) -> None:
    Image.new("L", (20000, 1)).save(tmp_path / "wide.png")
    (tmp_path / "out.webp").write_text("old")

    with pytest.raises(ContractError, match=r"cannot write .*out\.webp: (.|\n)*Try a \.png"):
        save_image(load_image(tmp_path / "wide.png"), tmp_path / "out.webp")

    assert (tmp_path / "out.webp").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"wide.png", "out.webp"}


def test_png_is_as_small_as_the_default_for_photographs_and_never_as_large_as_runs_alone(
    photo: np.ndarray, tmp_path: Path
) -> None:
    drawing = Image.new("RGB", (600, 400), "white")
    for row in range(0, 400, 14):
        ImageDraw.Draw(drawing).text((5, row), "The quick brown fox jumps. " * 4, fill="black")
    for pixels, most in ((photo, 1.05), (np.asarray(drawing), 1.0)):
        picture = Picture(pixels=pixels, alpha=None, grey=False, metadata=Metadata())
        Image.fromarray(pixels).save(tmp_path / "default.png")

        save_image(picture, tmp_path / "ours.png")

        default, ours = ((tmp_path / name).stat().st_size for name in ("default.png", "ours.png"))
        assert ours <= most * default
        np.testing.assert_array_equal(load_image(tmp_path / "ours.png").pixels, pixels)


@pytest.mark.parametrize("suffix", OUTPUT_FORMATS)
@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, ResourceError), (errno.EDQUOT, ResourceError), (errno.EACCES, ContractError)],
)
def test_failures_of_the_disk_are_reported_as_such_for_every_format(
    tmp_path: Path,
    rgb: np.ndarray,
    suffix: str,
    number: int,
    kind: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    Image.fromarray(rgb).save(tmp_path / "in.png")
    picture = load_image(tmp_path / "in.png")
    monkeypatch.setattr(Path, "write_bytes", fail)

    with pytest.raises(kind, match=os.strerror(number)) as raised:
        save_image(picture, tmp_path / f"out{suffix}")
    assert "Try a .png" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
