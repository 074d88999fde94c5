"""Bytes in memory are read like files, with the same errors."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.images.encode import encode_image, load_image, save_image
from csakit.runtime.images.mask import load_hole
from csakit.runtime.images.source import ImageBytes
from csakit.runtime.notices import collect_notices
from csakit.runtime.options import MaskOptions
from PIL import Image


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", "16.png"])
def test_bytes_are_read_and_written_as_files_are(
    tmp_path: Path, photo: np.ndarray, suffix: str
) -> None:
    path, out = tmp_path / f"x{suffix}", tmp_path / f"out{suffix}"
    deep = suffix == "16.png"
    Image.fromarray(photo[..., 0].astype(np.uint16) * 199 if deep else photo).save(
        path, dpi=(72, 72)
    )

    picture, expected = load_image(ImageBytes(path.read_bytes())), load_image(path)
    save_image(expected, out)

    assert (picture.deep is not None) == deep
    np.testing.assert_array_equal(picture.deep, expected.deep)
    np.testing.assert_array_equal(picture.pixels, expected.pixels)
    assert picture.metadata == expected.metadata
    assert encode_image(picture, Path(f"any{suffix}")) == out.read_bytes()


def test_a_mask_is_read_from_bytes(photo: np.ndarray) -> None:
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[5:9, 7:30] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")

    hole = load_hole(ImageBytes(buffer.getvalue()), mask.shape, MaskOptions())

    np.testing.assert_array_equal(hole, mask == 255)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%PDF-1.4", b"\xff\xd8\xff\xe0 broken"])
def test_bytes_that_are_no_image_are_refused_under_their_name(data: bytes) -> None:
    with pytest.raises(ContractError, match=r"upload 7"):
        load_image(ImageBytes(data, "upload 7"))


def test_a_name_is_never_opened(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(photo).save(path)

    with pytest.raises(ContractError, match=r"its content is not"):
        load_image(ImageBytes(b"nothing", str(path)))


def test_notices_are_collected_as_data(photo: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.new("L", photo.shape[1::-1]).save(buffer, "PNG")
    source = ImageBytes(buffer.getvalue(), "mask")

    with collect_notices() as notices:
        load_hole(source, photo.shape[:2], MaskOptions())
    load_hole(source, photo.shape[:2], MaskOptions())  # nobody collects

    assert [(one.kind, one.text[:19]) for one in notices] == [("empty", "mask marks nothing ")]


def test_decoding_in_threads_leaves_the_filters_of_warnings_alone(photo: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    source, before = ImageBytes(buffer.getvalue()), list(warnings.filters)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(load_image, 30 * [source]))

    assert list(warnings.filters) == before
