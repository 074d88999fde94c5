"""Mask files of any mode mean the same hole; doubtful ones are named or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from csakit.plugins.errors import ContractError
from csakit.runtime.images.deep import encode_deep
from csakit.runtime.images.mask import load_hole
from csakit.runtime.options import MaskOptions
from PIL import Image, ImageFilter

SIZE = (20, 30)


@pytest.fixture
def hole() -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[4:9, 5:15] = True
    return mask


def read(path: Path, size: tuple[int, int] = SIZE, **options: Any) -> np.ndarray:  # noqa: ANN401
    return load_hole(path, size, MaskOptions(**options))


def save(path: Path, levels: np.ndarray, mode: str = "L") -> Path:
    Image.fromarray(levels.astype(np.uint8)).convert(mode).save(path)
    return path


MODES = {  # that Pillow writes
    ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    ".tif": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "I;16"),
    ".webp": ("L", "RGB", "RGBA"),
    ".gif": ("1", "L", "P"),
    ".bmp": ("1", "L", "P", "RGB", "RGBA"),
    ".jpg": ("1", "L", "RGB", "CMYK", "YCbCr"),
}


@pytest.mark.parametrize(
    ("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes]
)
def test_white_is_missing_in_every_mode(
    tmp_path: Path, hole: np.ndarray, mode: str, suffix: str
) -> None:
    image = Image.fromarray((hole * 255).astype(np.uint8))
    image = image.convert({"PA": "RGBA", "YCbCr": "RGB"}.get(mode, "L")).convert(mode)
    image.save(tmp_path / f"m{suffix}")

    np.testing.assert_array_equal(read(tmp_path / f"m{suffix}"), hole)


@pytest.mark.parametrize("transparent", [0, b"\0\xff", b"\x40\xff"])
def test_a_palette_with_transparency_marks_what_is_seen(
    tmp_path: Path, hole: np.ndarray, transparent: int | bytes
) -> None:
    image = Image.frombytes("P", SIZE[::-1], hole.astype(np.uint8).tobytes())
    image.putpalette([255, 255, 255] * 2)  # white everywhere
    image.save(tmp_path / "m.png", transparency=transparent)

    np.testing.assert_array_equal(read(tmp_path / "m.png"), hole)


@pytest.mark.parametrize("highest", [255, 65535])
@pytest.mark.parametrize("layout", ["planes", "P6", "P3"])
def test_a_deep_mask_of_a_layout_that_is_not_read_is_refused(
    tmp_path: Path, hole: np.ndarray, layout: str, highest: int
) -> None:
    levels = np.dstack([hole * np.uint16(highest)] * 3)
    if layout == "planes":
        planes = np.moveaxis(levels, -1, 0)
        tifffile.imwrite(tmp_path / "m", planes, photometric="rgb", planarconfig="separate")
    else:
        numbers = " ".join(map(str, levels.ravel())).encode()
        content = levels.astype(">u2").tobytes() if layout == "P6" else numbers
        (tmp_path / "m").write_bytes(f"{layout} 30 20 65535\n".encode() + content)

    with pytest.raises(ContractError, match=r"8 bits a channel, or 16 in PNG or TIFF(.|\n)*-depth"):
        read(tmp_path / "m")


@pytest.mark.parametrize("dtype", ["u4", "i4", "i2", ">u2", ">i2"])
def test_whole_numbers_of_other_sizes_are_read_up_to_16_bits(
    tmp_path: Path, hole: np.ndarray, dtype: str
) -> None:
    tifffile.imwrite(
        tmp_path / "m.tif",
        (hole * 255).astype(dtype),
        byteorder=dtype[0] if dtype[0] == ">" else "<",
    )

    np.testing.assert_array_equal(read(tmp_path / "m.tif"), hole)


@pytest.mark.parametrize(
    ("dtype", "value"), [("f4", 1), ("f4", np.nan), ("u4", 2**32 - 1), ("i4", -1), ("i2", -1)]
)
def test_numbers_beyond_16_bits_are_refused(
    tmp_path: Path, hole: np.ndarray, dtype: str, value: float
) -> None:
    numbers = np.zeros(SIZE, dtype)
    numbers[hole] = value
    tifffile.imwrite(tmp_path / "m.tif", numbers)

    with pytest.raises(ContractError, match="must have 8 or 16 bits, black to white"):
        read(tmp_path / "m.tif")


def test_transparent_parts_are_known_whatever_colour_they_hide(
    tmp_path: Path, hole: np.ndarray
) -> None:
    layer = np.dstack([np.full((*SIZE, 3), 255), hole * 255])

    np.testing.assert_array_equal(read(save(tmp_path / "layer.png", layer, "RGBA")), hole)


def test_the_threshold_is_inclusive_and_inversion_follows_it(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.tile(np.arange(100, 130), (20, 1)))

    assert read(path)[0].sum() == 2  # 128 and 129
    assert read(path, threshold=101)[0].sum() == 29
    assert read(path, invert=True)[0].sum() == 28


def test_dilation_grows_the_hole_on_all_sides(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole * 255)

    grown = read(path, dilate=2)

    assert grown[hole].all()
    assert np.flatnonzero(grown.any(axis=1))[[0, -1]].tolist() == [2, 10]
    assert np.flatnonzero(grown.any(axis=0))[[0, -1]].tolist() == [3, 16]


def test_a_mask_of_another_size_and_the_same_shape_is_scaled_with_a_warning(
    tmp_path: Path, hole: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "m.png", hole.repeat(3, axis=0).repeat(3, axis=1) * 255)

    np.testing.assert_array_equal(read(path), hole)
    assert "m.png is 90 x 60: scaled to the image, 30 x 20" in caplog.text


@pytest.mark.parametrize(("image", "mask"), [((427, 640), (171, 256)), ((1000, 1), (100, 1))])
def test_shapes_that_differ_by_rounding_agree(
    tmp_path: Path, image: tuple[int, int], mask: tuple[int, int]
) -> None:
    levels = np.zeros(mask)
    levels[0] = 255

    assert read(save(tmp_path / "m.png", levels), image).shape == image


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole[:, :20] * 255)
    with pytest.raises(ContractError, match=r"its image, 30 x 20; .*m\.png is 20 x 20$"):
        read(path)

    path = save(tmp_path / "m.png", hole.T * 255)
    with pytest.raises(ContractError, match=r"is 20 x 30 \(its sides are exchanged"):
        read(path)


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (0, "m.png marks nothing (white is missing): the result is the input"),
        (552, "marks 92 % of the image as missing; if it is inverted, use --mask-invert"),
    ],
)
def test_an_empty_mask_and_one_that_looks_inverted_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, marked: int, message: str
) -> None:
    levels = np.where(np.arange(600) < marked, 255, 0).reshape(SIZE)

    assert read(save(tmp_path / "m.png", levels)).sum() == marked
    assert message in caplog.text


def test_a_full_mask_is_refused_even_when_dilation_made_it(
    tmp_path: Path, hole: np.ndarray
) -> None:
    with pytest.raises(ContractError, match=r"covers the whole image\n.*--mask-invert"):
        read(save(tmp_path / "m.png", np.full(SIZE, 255)))
    with pytest.raises(ContractError, match="after growing it by 99 pixels"):
        read(save(tmp_path / "m.png", hole * 255), dilate=99)


def test_a_hole_loses_no_pixel_whatever_the_scale(tmp_path: Path) -> None:
    for rows, columns in ((40, 60), (37, 55), (20, 30), (13, 19), (200, 301)):
        for at in range(0, rows * columns, 97):
            levels = np.zeros((rows, columns))
            row, column = divmod(at, columns)
            levels[row, column] = 255
            path = save(tmp_path / "m.png", levels)

            hole = read(path)

            assert hole[int((row + 0.5) * 20 / rows), int((column + 0.5) * 30 / columns)]
            assert hole.sum() <= (20 / rows + 2) * (30 / columns + 2)


@pytest.mark.parametrize("highest", [1, 2, 60, 127])
@pytest.mark.parametrize("depth", [1, 257])
def test_a_mask_that_is_not_black_and_marks_nothing_names_what_would(
    tmp_path: Path, hole: np.ndarray, highest: int, depth: int
) -> None:
    numbers = (hole * highest * depth).astype(np.uint8 if depth == 1 else np.uint16)
    Image.fromarray(numbers).save(tmp_path / "m.png")

    message = "only 0 and 1" if highest == 1 else f"levels up to {highest} only"
    with pytest.raises(ContractError, match=rf"holds {message}\n.*--mask-threshold {highest}\b"):
        read(tmp_path / "m.png")
    np.testing.assert_array_equal(read(tmp_path / "m.png", threshold=highest), hole)


@pytest.mark.parametrize(
    ("colour", "name"),
    [((255, 0, 0), "red"), ((0, 0, 255), "blue"), ((230, 30, 40), "red"), ((0, 200, 0), "green")],
)
def test_a_painted_mask_names_its_colour_and_is_read_by_it(
    tmp_path: Path, hole: np.ndarray, colour: tuple[int, int, int], name: str
) -> None:
    path = save(tmp_path / "m.png", np.where(hole[..., None], colour, 0), "RGB")

    with pytest.raises(ContractError, match=f"--mask-channel {name}"):
        read(path, threshold=200)
    np.testing.assert_array_equal(read(path, channel=name), hole)


def test_paint_over_a_photograph_is_its_mask(
    tmp_path: Path, photo: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    painted, missing = photo[:200, :300].copy(), np.zeros((200, 300), dtype=bool)
    missing[40:90, 50:150] = True
    painted[missing] = 255, 0, 0
    Image.fromarray(painted).save(tmp_path / "m.png")

    found = read(tmp_path / "m.png", (200, 300), channel="red")

    np.testing.assert_array_equal(found, missing)
    assert "painted over: 8.3 % of it are red" in caplog.text


@pytest.mark.parametrize("deep", [False, True])
def test_an_erased_hole_names_the_channel_and_is_read_by_it(
    tmp_path: Path, photo: np.ndarray, deep: bool
) -> None:
    pixels, missing = photo[:200, :300], np.zeros((200, 300), dtype=bool)
    missing[40:90, 50:150] = True
    erased = np.dstack([pixels, np.where(missing, np.uint8(0), np.uint8(255))])
    if deep:
        content = encode_deep(erased.astype(np.uint16) * 257, "PNG", {})
        (tmp_path / "m.png").write_bytes(content)
    else:
        Image.fromarray(erased).save(tmp_path / "m.png")

    with pytest.raises(ContractError, match=r"many greys(.|\n)*--mask-channel alpha"):
        read(tmp_path / "m.png", (200, 300))
    np.testing.assert_array_equal(read(tmp_path / "m.png", (200, 300), channel="alpha"), missing)


def test_black_paint_on_transparency_is_not_taken_for_black(
    tmp_path: Path, hole: np.ndarray
) -> None:
    path = save(tmp_path / "m.png", np.dstack([np.zeros((*SIZE, 3)), hole * 255]), "RGBA")

    with pytest.raises(ContractError, match="--mask-channel alpha; if what is opaque is missing"):
        read(path)
    np.testing.assert_array_equal(read(path, channel="alpha", invert=True), hole)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_photograph_is_no_mask(tmp_path: Path, photo: np.ndarray, suffix: str, mode: str) -> None:
    Image.fromarray(photo).convert(mode).save(tmp_path / f"m{suffix}")

    with pytest.raises(ContractError, match=r"as a photograph\nAre IMAGE and MASK exchanged"):
        read(tmp_path / f"m{suffix}", photo.shape[:2])


def test_a_mask_with_soft_edges_or_of_jpeg_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    levels = np.zeros((200, 300), dtype=np.uint8)
    levels[60:140, 80:220] = 255
    soft = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(4))
    soft.save(tmp_path / "soft.png")
    Image.fromarray(levels).convert("RGB").save(tmp_path / "m.jpg", quality=30)

    for name in ("soft.png", "m.jpg"):
        assert read(tmp_path / name, (200, 300)).sum() == pytest.approx(11200, rel=0.02)
    assert caplog.text == ""


def test_a_channel_that_marks_nothing_is_refused(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole * 255)

    for channel in ("alpha", "red"):
        with pytest.raises(ContractError, match="has none\nLeave --mask-channel out"):
            read(path, channel=channel)


def test_a_channel_that_marks_everything_is_refused(tmp_path: Path, hole: np.ndarray) -> None:
    alpha = np.where(hole, np.uint8(0), np.uint8(1))  # 255 is opaque
    path = save(tmp_path / "m.png", np.dstack([np.zeros((*SIZE, 3)), alpha]), "RGBA")

    with pytest.raises(ContractError, match=r"\nWhat is transparent is missing;.*--mask-invert"):
        read(path, channel="alpha")


def test_a_thin_scratch_beside_a_blob_keeps_all_its_pixels(tmp_path: Path) -> None:
    rows, columns = 80, 120  # four times the image
    levels = np.zeros((rows, columns))
    levels[8:36, 20:60] = 255
    levels[20, 60:] = 255  # from the blob to the edge, one pixel high
    levels[36:, 41] = 255

    hole = read(save(tmp_path / "m.png", levels))

    assert hole[2:9, 5:15].all()
    assert hole[5, 15:].all()
    assert hole[9:, 10].all()
    assert hole.sum() == 7 * 10 + 15 + 11
