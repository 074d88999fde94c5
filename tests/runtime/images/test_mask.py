"""Mask files of any mode mean the same hole; doubtful ones are named or refused."""

from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.images.mask import load_hole
from csakit.runtime.options import MaskOptions
from PIL import Image

SIZE = (20, 30)


@pytest.fixture
def hole() -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[4:9, 5:15] = True
    return mask


def save(path: Path, levels: np.ndarray, mode: str = "L") -> Path:
    Image.fromarray(levels.astype(np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_white_is_missing_in_every_mode(tmp_path: Path, hole: np.ndarray, mode: str) -> None:
    path = save(tmp_path / ("m.tif" if mode == "CMYK" else "m.png"), hole * 255, mode)

    np.testing.assert_array_equal(load_hole(path, SIZE, MaskOptions()), hole)


def test_16_bit_masks_are_read(tmp_path: Path, hole: np.ndarray) -> None:
    Image.fromarray((hole * 65535).astype(np.uint16)).save(tmp_path / "m.png")

    np.testing.assert_array_equal(load_hole(tmp_path / "m.png", SIZE, MaskOptions()), hole)


def test_numbers_without_a_known_scale_are_refused(tmp_path: Path, hole: np.ndarray) -> None:
    Image.fromarray(hole.astype(np.float32)).save(tmp_path / "m.tif")

    with pytest.raises(ContractError, match="must have 8 or 16 bits, black to white"):
        load_hole(tmp_path / "m.tif", SIZE, MaskOptions())


def test_transparent_parts_are_known_whatever_colour_they_hide(
    tmp_path: Path, hole: np.ndarray
) -> None:
    layer = np.full((*SIZE, 4), 255, dtype=np.uint8)
    layer[..., 3] = hole * 255
    Image.fromarray(layer).save(tmp_path / "layer.png")

    np.testing.assert_array_equal(load_hole(tmp_path / "layer.png", SIZE, MaskOptions()), hole)


def test_the_threshold_is_inclusive_and_inversion_follows_it(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.tile(np.arange(100, 130), (20, 1)))

    assert load_hole(path, SIZE, MaskOptions())[0].sum() == 2  # 128 and 129
    assert load_hole(path, SIZE, MaskOptions(threshold=101))[0].sum() == 29
    assert load_hole(path, SIZE, MaskOptions(invert=True))[0].sum() == 28


def test_dilation_grows_the_hole_on_all_sides(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole * 255)

    grown = load_hole(path, SIZE, MaskOptions(dilate=2))

    assert grown[hole].all()
    assert np.flatnonzero(grown.any(axis=1))[[0, -1]].tolist() == [2, 10]
    assert np.flatnonzero(grown.any(axis=0))[[0, -1]].tolist() == [3, 16]


def test_a_mask_of_another_size_and_the_same_shape_is_scaled_with_a_warning(
    tmp_path: Path, hole: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "m.png", hole.repeat(3, axis=0).repeat(3, axis=1) * 255)

    np.testing.assert_array_equal(load_hole(path, SIZE, MaskOptions()), hole)
    assert "m.png is 90 x 60: scaled to the image, 30 x 20" in caplog.text


@pytest.mark.parametrize(("image", "mask"), [((427, 640), (171, 256)), ((1000, 1), (100, 1))])
def test_shapes_that_differ_by_rounding_agree(
    tmp_path: Path, image: tuple[int, int], mask: tuple[int, int]
) -> None:
    levels = np.zeros(mask)
    levels[0] = 255

    assert load_hole(save(tmp_path / "m.png", levels), image, MaskOptions()).shape == image


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole[:, :20] * 255)
    with pytest.raises(ContractError, match=r"its image, 30 x 20; .*m\.png is 20 x 20$"):
        load_hole(path, SIZE, MaskOptions())

    path = save(tmp_path / "m.png", hole.T * 255)
    with pytest.raises(ContractError, match=r"is 20 x 30 \(its sides are exchanged"):
        load_hole(path, SIZE, MaskOptions())


def test_an_empty_mask_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save(tmp_path / "m.png", np.zeros(SIZE))

    assert not load_hole(path, SIZE, MaskOptions()).any()
    assert "m.png marks nothing (white is missing): the result is the input" in caplog.text


def test_a_mask_that_looks_inverted_is_named(
    tmp_path: Path, hole: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    load_hole(save(tmp_path / "m.png", ~hole * 255), SIZE, MaskOptions())

    assert "marks 92 % of the image as missing; if it is inverted, use --mask-invert" in caplog.text


def test_a_full_mask_is_refused_even_when_dilation_made_it(
    tmp_path: Path, hole: np.ndarray
) -> None:
    with pytest.raises(ContractError, match=r"covers the whole image\n.*--mask-invert"):
        load_hole(save(tmp_path / "m.png", np.full(SIZE, 255)), SIZE, MaskOptions())
    with pytest.raises(ContractError, match="after growing it by 99 pixels"):
        load_hole(save(tmp_path / "m.png", hole * 255), SIZE, MaskOptions(dilate=99))


def test_zeros_and_ones_are_not_taken_for_black(tmp_path: Path, hole: np.ndarray) -> None:
    path = save(tmp_path / "m.png", hole)

    with pytest.raises(ContractError, match=r"holds only 0 and 1\n.*--mask-threshold 1"):
        load_hole(path, SIZE, MaskOptions())
    np.testing.assert_array_equal(load_hole(path, SIZE, MaskOptions(threshold=1)), hole)
