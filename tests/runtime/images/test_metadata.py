"""The metadata of a file is carried over; the orientation is applied."""

import base64
import dataclasses
import io
import struct
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from csakit.runtime.images.encode import load_image, save_image
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from .conftest import carried

WITH_EXIF = [".jpg", ".png", ".webp", ".tif"]
CORNERS = [(0, 0), (0, -1), (-1, -1), (-1, 0)]
GREY = Image.new("L", (8, 8), 77)


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
@pytest.mark.parametrize(("orientation", "corner"), [*enumerate(2 * CORNERS, start=1)])
def test_the_orientation_is_applied_once(
    tmp_path: Path, suffix: str, orientation: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:8, :8] = 255  # one bright corner

    result = carried(tmp_path, Image.fromarray(pixels), suffix, exif=exif(orientation).tobytes())

    assert ExifTags.Base.Orientation not in result.getexif()
    shown = np.asarray(result)[..., 0]
    assert shown.shape == ((16, 32) if orientation < 5 else (32, 16))
    assert shown[corner] > 200
    assert (shown > 128).sum() == 64


@pytest.mark.parametrize("suffix", WITH_EXIF)
@pytest.mark.parametrize("target", WITH_EXIF)
def test_exif_and_profile_survive_in_every_format(tmp_path: Path, suffix: str, target: str) -> None:
    image, profile = Image.new("RGB", (32, 16), (9, 90, 200)), b"profile" * 30

    result = carried(
        tmp_path, image, suffix, to=target, exif=exif(6).tobytes(), icc_profile=profile
    )

    data = result.getexif()
    details = data.get_ifd(ExifTags.IFD.Exif)
    assert result.info["icc_profile"] == profile
    assert data[ExifTags.Base.Make] == "Maker"
    assert details[ExifTags.Base.DateTimeOriginal] == "2019:10:27 12:00:00"
    assert details[ExifTags.Base.ExifImageWidth] == 16  # it stands upright now
    assert data.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_the_resolution_survives(tmp_path: Path, suffix: str) -> None:
    result = carried(tmp_path, GREY, suffix, dpi=(300, 300))

    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_text_and_comments_survive(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a cat")
    text.add_itxt("Author", "Zoë 猫")

    picture = carried(tmp_path, GREY, ".png", pnginfo=text)
    photo = carried(tmp_path, GREY, ".jpg", comment=b"a cat")

    assert dict(picture.text) == {"Title": "a cat", "Author": "Zoë 猫"}
    assert photo.info["comment"] == b"a cat"


@pytest.mark.parametrize("broken", [b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"x"])
def test_broken_exif_never_stops_a_repair(tmp_path: Path, broken: bytes) -> None:
    assert (np.asarray(carried(tmp_path, GREY, ".jpg", exif=broken)) == 77).all()


def test_a_file_without_metadata_gets_none(tmp_path: Path) -> None:
    assert carried(tmp_path, GREY, ".png").info == {}


def small_picture() -> bytes:
    """A JPEG of what was removed."""
    noise = np.random.default_rng(5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def png_text(key: str, value: str) -> dict[str, object]:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(key, value, zip=True)
    return {"pnginfo": chunks}


def exif_with(tag: int, value: object, *, main: bool = False) -> dict[str, object]:
    data = exif()
    (data if main else data[ExifTags.IFD.Exif])[tag] = value
    return {"exif": data.tobytes()}


def packet(inside: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        'xmlns:p="http://ns.adobe.com/xap/1.0/" xmlns:n="http://ns.adobe.com/xmp/note/" '
        f"{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


SMALL = small_picture()
LINES = "\n".join(textwrap.wrap(base64.b64encode(SMALL).decode(), 76))


@pytest.mark.parametrize(
    ("suffix", "metadata"),
    [
        (".png", png_text("Raw profile type 8bim", f"\n8bim\n{len(SMALL):8}\n{SMALL.hex()}\n")),
        (".png", png_text("Raw profile type APP1", f"\nAPP1\n{len(SMALL):8}\n{SMALL.hex()}\n")),
        (".png", png_text("thumbnail", LINES)),
        (".png", png_text("Thumb", SMALL.hex(" "))),
        (".png", png_text("workflow", '{"image": "' + base64.b64encode(SMALL).decode() + '"}')),
        (".jpg", {"comment": SMALL}),
        (".jpg", {"comment": LINES.encode()}),
        (".jpg", exif_with(ExifTags.Base.MakerNote, b"NIKON" + SMALL)),
        (".webp", exif_with(ExifTags.Base.UserComment, b"ASCII\0\0\0" + LINES.encode())),
        (".jpg", exif_with(0x935C, SMALL)),
        (".jpg", exif_with(0x8649, SMALL, main=True)),
        (".tif", exif_with(0x8649, SMALL, main=True)),
        (".jpg", {"xmp": packet(f"><p:Thumbnails><a>{LINES}</a></p:Thumbnails>")}),
        (".webp", {"xmp": packet(f'n:Data="{base64.b64encode(SMALL).decode()}">')}),
        (".png", png_text("XML:com.adobe.xmp", packet(f"><n:Depth>{LINES}</n:Depth>").decode())),
    ],
)
@pytest.mark.parametrize("target", WITH_EXIF)
def test_no_small_picture_of_what_was_removed_travels_along(
    tmp_path: Path, suffix: str, metadata: dict[str, object], target: str
) -> None:
    result = carried(tmp_path, Image.new("RGB", (32, 16)), suffix, to=target, **metadata)

    written = (tmp_path / f"out{target}").read_bytes()
    texts = " ".join(map(str, getattr(result, "text", {}).values()))
    letters = "".join(texts.split()).encode() + written.replace(b"\n", b"")
    for sign in (SMALL[-60:-20], base64.b64encode(SMALL)[-100:-40], SMALL.hex()[-90:-30].encode()):
        assert sign not in letters


@pytest.mark.parametrize("target", [".jpg", ".png"])
def test_what_holds_no_picture_stays_beside_one(tmp_path: Path, target: str) -> None:
    inside = (
        f'tiff:Orientation="6" n:HasExtendedXMP="0A" dc:rights="Zoë">'
        f"<p:Thumbnails><a>{LINES}</a></p:Thumbnails><dc:title>A cat</dc:title>"
    )

    kept = carried(tmp_path, GREY, ".jpg", to=target, xmp=packet(inside)).info["xmp"]

    kept = kept.decode() if isinstance(kept, bytes) else kept
    assert 'dc:rights="Zoë"' in kept
    assert "A cat" in kept
    assert not any(word in kept for word in ("Thumb", "Orientation", "HasExtended"))


@pytest.mark.parametrize("kind", ["exif", "APP1"])
def test_the_orientation_in_a_raw_profile_is_applied_and_dropped(tmp_path: Path, kind: str) -> None:
    data = exif(6).tobytes()
    text = png_text(f"Raw profile type {kind}", f"\n{kind}\n{len(data):8}\n{data.hex()}\n")

    result = carried(tmp_path, Image.new("L", (32, 16)), ".png", **text)

    assert result.size == ImageOps.exif_transpose(result).size == (16, 32)
    assert result.getexif()[ExifTags.Base.Make] == "Maker"
    assert not result.text


@pytest.mark.parametrize(
    "orientation",
    [
        "tiff:Orientation='6'>",
        ">\n<tiff:Orientation> 6 </tiff:Orientation>",
        'tiff:Orientation = "6">',
        'tiff:Orientation="6">',
    ],
)
def test_an_orientation_in_xmp_never_turns_the_result(tmp_path: Path, orientation: str) -> None:
    result = carried(tmp_path, GREY, ".jpg", exif=exif(1).tobytes(), xmp=packet(orientation))

    assert b"Orientation" not in result.info.get("xmp", b"")


def test_a_table_that_is_pointed_at_comes_along(tmp_path: Path) -> None:
    data = exif()
    data[ExifTags.IFD.Exif][ExifTags.IFD.Interop] = {1: "R98", 2: b"0100"}

    result = carried(tmp_path, GREY, ".jpg", to=".png", exif=data.tobytes())

    assert result.getexif().get_ifd(ExifTags.IFD.Interop)[1] == "R98"


@pytest.mark.parametrize("tag", [0x0111, 0x0201, 0x014A, 0xC634, 0xEA1D])
def test_pointers_into_the_old_file_are_dropped(tmp_path: Path, tag: int) -> None:
    data = exif()
    data[tag] = 1234
    data[ExifTags.IFD.Exif][0xEA1D] = 4321

    kept = carried(tmp_path, GREY, ".jpg", exif=data.tobytes()).getexif()

    assert tag not in kept
    assert 0xEA1D not in kept.get_ifd(ExifTags.IFD.Exif)
    assert ExifTags.IFD.Interop not in kept.get_ifd(ExifTags.IFD.Exif)


LINEAR = {b"gAMA": struct.pack(">I", 100000)}
WIDE = {b"cHRM": struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)}
HDR = {b"cICP": bytes([9, 16, 0, 1])}
SRGB = {b"sRGB": b"\1", b"gAMA": struct.pack(">I", 45455)}


@pytest.mark.parametrize("metadata", [LINEAR, WIDE, HDR, SRGB, LINEAR | WIDE])
@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_colour_chunks_of_png_are_kept_or_their_loss_is_reported(
    tmp_path: Path, metadata: dict[bytes, bytes], mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    chunks = PngImagePlugin.PngInfo()
    for name, content in metadata.items():
        chunks.add(name, content)

    carried(tmp_path, Image.new(mode, (8, 8)), ".png", pnginfo=chunks)
    assert caplog.text == ""
    opaque = dataclasses.replace(load_image(tmp_path / "in.png"), alpha=None)
    save_image(opaque, tmp_path / "out.bmp")

    written = (tmp_path / "out.png").read_bytes()
    for name, content in metadata.items():
        assert name + content in written
        assert (name.decode() in caplog.text) == (metadata is not SRGB)


@pytest.mark.parametrize(("name", "length"), [(b"mDCV", 24), (b"cLLI", 8)])
def test_the_loss_of_brightness_chunks_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: bytes, length: int
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "i.png")
    data, content = (tmp_path / "i.png").read_bytes(), name + bytes(length)
    chunk = struct.pack(">I", length) + content + struct.pack(">I", zlib.crc32(content))
    (tmp_path / "i.png").write_bytes(data[:33] + chunk + data[33:])

    save_image(load_image(tmp_path / "i.png"), tmp_path / "o.png")

    assert f"cannot keep {name.decode()}" in caplog.text
