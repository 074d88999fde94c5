"""16-bit PNG and TIFF keep all bits of their known pixels, in every layout."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from csakit.plugins.errors import ContractError
from csakit.runtime.images.decode import decode
from csakit.runtime.images.deep import encode_deep
from csakit.runtime.images.encode import load_image, save_image
from csakit.runtime.images.mask import load_hole
from csakit.runtime.options import MaskOptions
from PIL import Image, UnidentifiedImageError


@pytest.fixture
def levels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 65536, (11, 17, 4), dtype=np.uint16)


def repair(path: Path, output: Path) -> np.ndarray:
    """Turn a box of a picture grey; return where."""
    picture = load_image(path)
    hole = np.zeros(picture.pixels.shape[:2], dtype=bool)
    hole[2:5, 3:7] = True
    save_image(picture.repaired(np.full_like(picture.pixels, 100), hole), output)
    return hole


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_pixels_keep_16_bits_and_the_hole_gets_8_scaled(
    tmp_path: Path, levels: np.ndarray, channels: int, suffix: str
) -> None:
    stored = levels[..., {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]]
    (tmp_path / "in.png").write_bytes(encode_deep(stored, "PNG", {}))

    hole = repair(tmp_path / "in.png", tmp_path / f"out{suffix}")

    if suffix == ".tif":
        result = tifffile.imread(tmp_path / "out.tif").reshape(stored.shape)
    else:
        result = decode(tmp_path / "out.png").levels
    colours = 1 if channels < 3 else 3
    np.testing.assert_array_equal(result[~hole], stored[~hole])
    assert (result[hole][:, :colours] == 100 * 257).all()
    np.testing.assert_array_equal(result[..., colours:], stored[..., colours:])  # alpha


@pytest.mark.parametrize(
    "layout",
    [
        {"byteorder": ">"},
        {"compression": "zlib", "predictor": True},
        {"bigtiff": True},
        {"tile": (16, 16)},
    ],
    ids=lambda layout: next(iter(layout)),
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_bits_of_a_tiff_are_read(
    tmp_path: Path, levels: np.ndarray, layout: dict[str, Any], channels: int
) -> None:
    alpha = {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    kind = {"photometric": "minisblack" if channels < 3 else "rgb"}
    kind |= alpha if channels in (2, 4) else {}
    stored = levels[..., 0] if channels == 1 else levels[..., :channels]
    tifffile.imwrite(tmp_path / "x.tif", stored, **kind, **layout)

    file = decode(tmp_path / "x.tif")

    np.testing.assert_array_equal(file.levels, levels[..., :channels])
    if channels == 2:
        shown = np.asarray(file.image.convert("LA"))
        np.testing.assert_allclose(shown, levels[..., :2] / 257, atol=0.5)


def test_a_sample_without_a_meaning_is_no_alpha(tmp_path: Path, levels: np.ndarray) -> None:
    layout = {"extrasamples": ["unspecified"], "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "x.tif", levels[..., :2], photometric="minisblack", **layout)

    picture = load_image(tmp_path / "x.tif")

    np.testing.assert_array_equal(picture.deep, levels[..., :1])
    assert picture.alpha is None


def test_pillow_is_left_as_it_was(tmp_path: Path, levels: np.ndarray) -> None:
    (tmp_path / "x.tif").write_bytes(encode_deep(levels[..., [0, 3]], "TIFF", {}))
    decode(tmp_path / "x.tif")

    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"extrasamples": ["assocalpha"]}, "multiplied by its alpha"),
        ({"planarconfig": "separate", "extrasamples": ["unassalpha"]}, "in separate planes"),
        ({"photometric": "separated"}, r"of more than 8 bits a channel \(CMYK\)"),
    ],
)
def test_a_layout_that_is_not_read_is_named(
    tmp_path: Path, levels: np.ndarray, layout: dict[str, Any], message: str
) -> None:
    stored = np.moveaxis(levels, -1, 0) if layout.get("planarconfig") else levels
    tifffile.imwrite(tmp_path / "x.tif", stored, **{"photometric": "rgb"} | layout)

    with pytest.raises(ContractError, match=message):
        load_image(tmp_path / "x.tif")
    with pytest.raises(ContractError, match=message):
        load_hole(tmp_path / "x.tif", levels.shape[:2], MaskOptions())


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("i2", "in signed numbers"),
        ("i4", "in signed numbers"),
        ("f4", "of more than 8 bits"),
        (b"P6 1 1 4095\n" + bytes(6), "of more than 8 bits"),
        (b"P5 1 1 65535\n" + bytes(2), "of more than 8 bits"),
    ],
)
def test_numbers_that_would_lose_bits_are_named(
    tmp_path: Path, levels: np.ndarray, numbers: str | bytes, message: str
) -> None:
    if isinstance(numbers, bytes):
        (tmp_path / "x").write_bytes(numbers)
    else:
        tifffile.imwrite(tmp_path / "x", levels[..., 0].astype(numbers), photometric="minisblack")

    with pytest.raises(ContractError, match=rf"{message}(.|\n)*-depth 8"):
        load_image(tmp_path / "x")


def test_white_is_zero_is_turned_around(tmp_path: Path, levels: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "x.tif", levels[..., 0], photometric="miniswhite")

    np.testing.assert_array_equal(decode(tmp_path / "x.tif").levels[..., 0], 65535 - levels[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_bits_are_turned_as_the_8_bit_picture_is(
    tmp_path: Path, levels: np.ndarray, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode_deep(levels[..., :3], "PNG", {"exif": exif.tobytes()})
    (tmp_path / "x.png").write_bytes(content)

    file = decode(tmp_path / "x.png")

    np.testing.assert_array_equal(file.levels >> 8, np.asarray(file.image))


def test_a_transparent_colour_is_compared_with_all_its_bits(
    tmp_path: Path, levels: np.ndarray
) -> None:
    stored = np.tile(levels[:1, :1, :3], (2, 4, 1))
    stored[0, 0, 2] ^= 1  # another colour, by its last bit
    content = encode_deep(stored, "PNG", {"transparency": (0, 0, 0)})
    at = content.index(b"tRNS") + 4
    key = stored[1, 1].astype(">u2").tobytes()
    content = content[:at] + key + content[at + 6 :]
    crc = struct.pack(">I", zlib.crc32(b"tRNS" + key))
    (tmp_path / "x.png").write_bytes(content[: at + 6] + crc + content[at + 10 :])

    assert load_image(tmp_path / "x.png").alpha.tolist() == [[255, 0, 0, 0], [0, 0, 0, 0]]


def test_formats_of_8_bits_get_8_with_a_warning(
    tmp_path: Path, levels: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in.png").write_bytes(encode_deep(levels[..., :3], "PNG", {}))
    picture = load_image(tmp_path / "in.png")

    save_image(picture, tmp_path / "out.bmp")

    np.testing.assert_array_equal(load_image(tmp_path / "out.bmp").pixels, picture.pixels)
    assert np.abs(picture.pixels * 257.0 - levels[..., :3]).max() <= 128.5  # the nearest
    assert "out.bmp has 8 bits a channel; .png and .tif keep the 16" in caplog.text


@pytest.mark.parametrize("highest", [1, 200, 255, 256, 257, 300])
def test_16_bit_masks_of_small_numbers_mean_8_bit_ones(tmp_path: Path, highest: int) -> None:
    numbers = np.zeros((6, 7), np.uint16)
    numbers[2:4, 2:4] = highest
    Image.fromarray(numbers).save(tmp_path / "m.png")
    threshold = min(highest, 128) if highest < 257 else 1  # 65535 is white then

    hole = load_hole(tmp_path / "m.png", (6, 7), MaskOptions(threshold=threshold))

    np.testing.assert_array_equal(hole, numbers > 0)
