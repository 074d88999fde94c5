"""Broken, huge and foreign image files are refused with the reason; frames are counted."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.images import decode
from csakit.runtime.images.encode import OUTPUT_FORMATS, load_image, save_image
from PIL import Image


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "an image must be an existing file; got"),
        (b"", "must be an image of the formats PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "its content is not"),
        (b"hello", "its content is not"),
    ],
)
def test_files_that_are_not_images_are_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)

    with pytest.raises(ContractError, match=message):
        load_image(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_truncated_files_are_refused(
    tmp_path: Path, photo: np.ndarray, suffix: str, share: float
) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(photo).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    with pytest.raises(ContractError, match=r"corrupt or truncated|its content is not"):
        load_image(path)


def test_damaged_files_are_read_or_refused_but_never_crash(
    tmp_path: Path, photo: np.ndarray, rng: np.random.Generator
) -> None:
    refused = 0
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        file = io.BytesIO()
        Image.fromarray(photo[:40, :40]).save(file, OUTPUT_FORMATS[suffix])
        for _ in range(25):
            damaged = bytearray(file.getvalue())
            for place in rng.integers(0, min(400, len(damaged)), 6):
                damaged[place] = rng.integers(256)
            (tmp_path / f"x{suffix}").write_bytes(damaged)
            try:
                load_image(tmp_path / f"x{suffix}")
            except ContractError:
                refused += 1

    assert refused > 10


def test_huge_images_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")  # 400 million pixels, 50 kB
    with pytest.raises(ContractError, match=r"at most 120,000,000 pixels; .*bomb\.png has"):
        load_image(tmp_path / "bomb.png")

    monkeypatch.setattr(decode, "MAX_PIXELS", 100)
    Image.new("L", (11, 10)).save(tmp_path / "large.png")
    with pytest.raises(ContractError, match=r"has 11 x 10\nCut out the part"):
        load_image(tmp_path / "large.png")


def test_of_several_frames_the_first_is_read_with_a_warning(
    tmp_path: Path, photo: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])

    picture = load_image(tmp_path / "pages.tif")

    np.testing.assert_array_equal(picture.pixels, photo)
    assert "pages.tif has 2 frames; only the first is used" in caplog.text


def test_the_previews_of_a_phone_photograph_are_no_frames(
    tmp_path: Path, photo: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(photo[::2, ::2])]
    frames[0].save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=frames[1:])

    save_image(load_image(tmp_path / "phone.jpg"), tmp_path / "out.jpg")

    assert caplog.text == ""


def test_no_python_warning_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (15, 10)).save(tmp_path / "x.png")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(tmp_path / "x.png").pixels.shape == (10, 15, 3)


@pytest.mark.parametrize(
    ("least", "sides"), [(None, (200, 100)), (51, (200, 100)), (50, (100, 50))]
)
def test_a_jpeg_is_reduced_no_further_than_asked(
    tmp_path: Path, least: int | None, sides: tuple[int, int]
) -> None:
    Image.new("RGB", (200, 100), "red").save(tmp_path / "x.jpg")

    assert decode.decode(tmp_path / "x.jpg", least_side=least).image.size == sides


def test_other_formats_are_not_reduced(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), "red").save(tmp_path / "x.png")

    assert decode.decode(tmp_path / "x.png", least_side=10).image.size == (200, 100)
