"""What a file says beside its pixels is carried over; the orientation is applied."""

from pathlib import Path

import numpy as np
import pytest
from csakit.runtime.images.encode import load_image, save_image
from PIL import ExifTags, Image, PngImagePlugin

ORIENTATIONS = range(1, 9)
WITH_EXIF = [".jpg", ".png", ".webp", ".tif"]


def exif(orientation: int = 1) -> Image.Exif:
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation
    data[ExifTags.Base.Make] = "Maker"
    data[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2019:10:27 12:00:00",
        ExifTags.Base.ExifImageWidth: 32,
    }
    data[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return data


@pytest.mark.parametrize("suffix", WITH_EXIF)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:8, :8] = 255  # one bright corner
    Image.fromarray(pixels).save(tmp_path / f"in{suffix}", exif=exif(orientation).tobytes())

    save_image(load_image(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}")

    upright = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0)}
    corner = upright | {5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    with Image.open(tmp_path / f"out{suffix}") as result:
        assert ExifTags.Base.Orientation not in result.getexif()
        shown = np.asarray(result)[..., 0]
    assert shown.shape == ((16, 32) if orientation < 5 else (32, 16))
    assert shown[corner[orientation]] > 200
    assert (shown > 128).sum() == 64


@pytest.mark.parametrize("suffix", WITH_EXIF)
@pytest.mark.parametrize("target", WITH_EXIF)
def test_exif_and_profile_survive_in_every_format(tmp_path: Path, suffix: str, target: str) -> None:
    profile = b"profile" * 30
    image = Image.new("RGB", (32, 16), (9, 90, 200))
    image.save(tmp_path / f"in{suffix}", exif=exif(6).tobytes(), icc_profile=profile)

    save_image(load_image(tmp_path / f"in{suffix}"), tmp_path / f"out{target}")

    with Image.open(tmp_path / f"out{target}") as result:
        data = result.getexif()
        details = data.get_ifd(ExifTags.IFD.Exif)
        assert result.info["icc_profile"] == profile
        assert data[ExifTags.Base.Make] == "Maker"
        assert details[ExifTags.Base.DateTimeOriginal] == "2019:10:27 12:00:00"
        assert details[ExifTags.Base.ExifImageWidth] == 16  # it stands upright now
        assert data.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_the_resolution_survives(tmp_path: Path, suffix: str) -> None:
    Image.new("L", (8, 8)).save(tmp_path / f"in{suffix}", dpi=(300, 300))

    save_image(load_image(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}")

    with Image.open(tmp_path / f"out{suffix}") as result:
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_text_and_comments_survive(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a cat")
    text.add_itxt("Author", "Zoë 猫")
    Image.new("L", (8, 8)).save(tmp_path / "in.png", pnginfo=text)
    Image.new("L", (8, 8)).save(tmp_path / "in.jpg", comment=b"a cat")

    save_image(load_image(tmp_path / "in.png"), tmp_path / "out.png")
    save_image(load_image(tmp_path / "in.jpg"), tmp_path / "out.jpg")

    with Image.open(tmp_path / "out.png") as result:
        assert dict(result.text) == {"Title": "a cat", "Author": "Zoë 猫"}
    with Image.open(tmp_path / "out.jpg") as result:
        assert result.info["comment"] == b"a cat"


@pytest.mark.parametrize("broken", [b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"x"])
def test_broken_exif_never_stops_a_repair(tmp_path: Path, broken: bytes) -> None:
    Image.new("L", (8, 8), 77).save(tmp_path / "in.jpg", exif=broken)

    picture = load_image(tmp_path / "in.jpg")
    save_image(picture, tmp_path / "out.jpg")

    assert (picture.pixels == 77).all()


def test_a_file_without_metadata_gets_none(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "in.png")

    save_image(load_image(tmp_path / "in.png"), tmp_path / "out.png")

    with Image.open(tmp_path / "out.png") as result:
        assert result.info == {}
