"""Broken, huge and foreign image files are refused with the reason; frames are counted."""

import errno
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from csakit.plugins.errors import ContractError, ResourceError
from csakit.runtime.images import decode
from csakit.runtime.images.encode import load_image, save_image
from PIL import Image, PngImagePlugin, features

from .conftest import carried


def bitmap(masks: tuple[int, int, int], header: int = 40, *, bare: bool = False) -> bytes:
    """A BMP of two bytes a pixel, 4 x 2, red; without its file header it is a DIB."""
    head = struct.pack("<IiiHHIIiiII", header, 4, 2, 1, 16, 3, 16, 0, 0, 0, 0)
    head += struct.pack("<3I", *masks) + bytes(max(0, header - 52))
    start = 14 + len(head)
    front = b"" if bare else b"BM" + struct.pack("<IHHI", start + 16, 0, 0, start)
    return front + head + struct.pack("<H", masks[0]) * 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "an image must be an existing file; got"),
        (b"", "must be an image of the formats PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "its content is not"),
        (b"hello", "its content is not"),
        (b"8BPS\0\1" + bytes(90), "is a Photoshop file"),
        (b"\xff\x0a" + bytes(90), "is a JPEG XL file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(90), "is a JPEG 2000 file"),
        (b"%PDF-1.7" + bytes(90), "is a PDF file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "is an SVG file"),
        (b"II*\0\x08\0\0\0\0\0" + bytes(90), "begins as a TIFF file"),
        (bitmap((0xF000, 0xF00, 0xF0)), "is an unsupported kind of BMP"),
    ],
)
def test_what_is_no_image_is_refused_and_not_called_damaged(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)

    with pytest.raises(ContractError, match=message) as raised:
        load_image(tmp_path / "x.png")
    assert "Copy it again" not in str(raised.value)


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
    ("name", "least", "sides"),
    [
        *[("x.jpg", None, (200, 100)), ("x.jpg", 51, (200, 100)), ("x.jpg", 50, (100, 50))],
        ("x.png", 10, (200, 100)),
    ],
)
def test_only_a_jpeg_is_reduced_and_no_further_than_asked(
    tmp_path: Path, name: str, least: int | None, sides: tuple[int, int]
) -> None:
    Image.new("RGB", (200, 100), "red").save(tmp_path / name)

    assert decode.decode(tmp_path / name, least_side=least).image.size == sides


@pytest.mark.parametrize("header", [40, 56, 108, 124])  # versions 1 and 3 to 5
@pytest.mark.parametrize("masks", [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)])
@pytest.mark.parametrize("bare", [False, True])
def test_a_bitmap_of_16_bits_a_pixel_is_not_deep(
    tmp_path: Path, header: int, masks: tuple[int, int, int], bare: bool
) -> None:
    (tmp_path / "x.bmp").write_bytes(bitmap(masks, header, bare=bare))

    assert load_image(tmp_path / "x.bmp").pixels.tolist() == [[[255, 0, 0]] * 4] * 2


@pytest.mark.parametrize(
    ("content", "deep"),
    [
        (b"P6 1 1 255\n" + bytes(3), False),
        (b"P6 1 1 100\n" + bytes(3), False),
        (b"P5 1 1 15\n" + bytes(1), False),
        (b"P2 1 1 255\n7\n", False),
        (b"P4 8 1\n" + bytes(1), False),
        (b"P6 1 1 256\n" + bytes(6), True),
        (b"P6 1 1 65535\n" + bytes(6), True),
        (b"P3 1 1 1023\n7 7 7\n", True),
        (b"P5 1 1 4095\n" + bytes(2), True),
        (b"P2 1 1 65535\n7\n", True),
        (b"Pf 1 1 -1.0\n" + bytes(4), True),
    ],
)
def test_the_depth_of_a_ppm_is_what_it_states(tmp_path: Path, content: bytes, deep: bool) -> None:
    (tmp_path / "x.ppm").write_bytes(content)

    assert decode.decode(tmp_path / "x.ppm").deep == deep


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("key", "international", "words"),
    [
        ("Comment", False, "a word and another; "),
        ("parameters", False, "a word and another; "),
        ("Comment", True, "Wort für Wort; "),
    ],
)
def test_long_texts_and_profiles_of_a_png_are_no_damage(
    tmp_path: Path, key: str, international: bool, words: str, packed: bool
) -> None:
    text, content, profile = PngImagePlugin.PngInfo(), words * 200_000, bytes(3 << 20)
    add = text.add_itxt if international else text.add_text
    add(key, content, zip=packed)

    result = carried(tmp_path, Image.new("L", (8, 8)), ".png", pnginfo=text, icc_profile=profile)

    assert result.text[key] == content
    assert result.info["icc_profile"] == profile


def test_a_text_beyond_all_bounds_is_refused_as_such(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * (70 << 20), zip=True)
    Image.new("L", (8, 8)).save(tmp_path / "x.png", pnginfo=text)

    with pytest.raises(ContractError, match=r"holds more than 64 MB of text.*\n.*exiftool"):
        load_image(tmp_path / "x.png")


@pytest.mark.parametrize("sample", ["float32", "complex64", "int8", "uint64"])
def test_a_tiff_of_another_kind_of_numbers_is_a_tiff(tmp_path: Path, sample: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8, 3), sample), photometric="rgb")

    with pytest.raises(
        ContractError, match="begins as a TIFF file, but is damaged or of an unsupported kind"
    ):
        load_image(tmp_path / "x.tif")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("step", ["open", "load", "transpose", "getexif"])
def test_a_failure_of_the_machine_is_not_reported_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", exif=exif.tobytes())

    def fail(*_: object, **__: object) -> None:
        raise error

    owner = {"open": Path, "load": PngImagePlugin.PngImageFile}.get(step, Image.Image)
    monkeypatch.setattr(owner, step, fail)

    with pytest.raises((ContractError, ResourceError)) as raised:
        load_image(tmp_path / "x.png")
    assert not any(word in str(raised.value) for word in ("corrupt", "Copy it", "dropped"))
    assert str(raised.value).startswith("cannot read ")


def test_avif_is_read_where_pillow_can(tmp_path: Path, photo: np.ndarray) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    Image.fromarray(photo).save(tmp_path / "x.avif", quality=95)

    picture = load_image(tmp_path / "x.avif")

    assert np.abs(picture.pixels.astype(int) - photo).mean() < 4


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"hevc"])
def test_a_format_of_a_plugin_names_the_plugin(
    tmp_path: Path, brand: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(90))

    with pytest.raises(ContractError, match=r"is a HEIC file.*\n.*pip install pillow-heif"):
        load_image(tmp_path / "x.heic")
