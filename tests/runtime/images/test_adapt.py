"""What a program holds is repaired as a file would be, and comes back as what it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime import Inpainter
from PIL import Image

from ..conftest import RecordingSession

SHAPE = (40, 50)


@pytest.fixture
def hole() -> np.ndarray:
    hole = np.zeros(SHAPE, bool)
    hole[10:20, 30:44] = True
    return hole


@pytest.fixture
def inpaint() -> Inpainter:
    return Inpainter(RecordingSession())


def drawn(rng: np.random.Generator, channels: int, dtype: str) -> np.ndarray:
    """Draw an image of any supported type."""
    shape = (*SHAPE, channels) if channels else SHAPE
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def eight_bits(image: np.ndarray) -> np.ndarray:
    """Return an image on the scale of bytes, by division instead of shifts."""
    full = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    return np.rint(image.astype(np.float64) * 255 / full)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_an_array_comes_back_in_its_shape_and_type(
    channels: int, dtype: str, hole: np.ndarray, inpaint: Inpainter, rng: np.random.Generator
) -> None:
    image = drawn(rng, channels, dtype)
    before, colours = image.copy(), 1 if channels < 3 else 3

    result = inpaint(image, hole)

    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~hole], image[~hole])
    flat, given = (array.reshape(*SHAPE, -1) for array in (result, image))
    np.testing.assert_array_equal(flat[..., colours:], given[..., colours:])
    eight = np.repeat(given[..., :colours], 3 // colours, axis=2)
    plain = inpaint(eight_bits(eight).astype(np.uint8), hole)
    grey = Image.fromarray(plain).convert("L") if colours == 1 else plain
    expected = np.asarray(grey).reshape(*SHAPE, -1)[hole]
    np.testing.assert_array_equal(eight_bits(flat[..., :colours])[hole], expected)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_an_array_may_be_a_view_that_cannot_be_written(
    dtype: str, hole: np.ndarray, inpaint: Inpainter, rng: np.random.Generator
) -> None:
    image = drawn(rng, 3, dtype)
    view, hole_view = np.asfortranarray(image)[::-1], hole[:, ::-1]
    view.flags.writeable = hole_view.flags.writeable = False

    expected = inpaint(view.copy(order="C"), hole_view.copy(order="C"))
    np.testing.assert_array_equal(inpaint(view, hole_view), expected)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_a_pillow_image_comes_back_with_its_info(
    mode: str, hole: np.ndarray, inpaint: Inpainter, rng: np.random.Generator
) -> None:
    pixels = drawn(rng, 0, "u2") if mode == "I;16" else drawn(rng, 3, "u1")
    image = Image.fromarray(pixels) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    image.info.update(dpi=(72, 72), icc_profile=b"profile")
    wanted = {"P": "RGB", "1": "L", "CMYK": "RGB"}.get(mode, mode)

    result = inpaint(image, Image.fromarray(hole))

    assert (result.mode, result.size) == (wanted, image.size)
    if mode == "I;16":
        return
    assert result.info["dpi"] == (72, 72)
    assert ("icc_profile" in result.info) == (mode != "CMYK")
    known = np.asarray(image.convert(wanted))[~hole]
    np.testing.assert_array_equal(np.asarray(result)[~hole], known)
    assert (np.asarray(result)[hole] != np.asarray(image.convert(wanted))[hole]).any()


@pytest.mark.parametrize("text", [True, False])
def test_paths_are_opened(
    text: bool,
    hole: np.ndarray,
    inpaint: Inpainter,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    image = drawn(rng, 3, "u1")
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    paths = [tmp_path / "image.png", tmp_path / "mask.png"]

    result = inpaint(*(map(str, paths) if text else paths))

    np.testing.assert_array_equal(np.asarray(result), inpaint(image, hole))


@pytest.mark.parametrize(
    "mask",
    [
        lambda hole: hole[..., None],
        lambda hole: np.where(hole, np.uint8(255), np.uint8(0)),
        lambda hole: np.where(hole, np.uint8(128), np.uint8(127)),
        lambda hole: np.where(hole, 0.5, 0.499),
        lambda hole: hole.astype(np.float32),
        lambda hole: Image.fromarray(hole),
        lambda hole: Image.fromarray(np.where(hole, np.uint8(255), np.uint8(0))).convert("RGB"),
    ],
)
def test_every_kind_of_mask_marks_the_same(
    mask: Callable[[np.ndarray], object],
    hole: np.ndarray,
    inpaint: Inpainter,
    rng: np.random.Generator,
) -> None:
    image = drawn(rng, 3, "u1")

    np.testing.assert_array_equal(inpaint(image, mask(hole)), inpaint(image, hole))


def test_a_file_that_pillow_only_opened_is_decoded_or_refused(
    hole: np.ndarray, inpaint: Inpainter, tmp_path: Path, rng: np.random.Generator
) -> None:
    Image.fromarray(drawn(rng, 3, "u1")).save(tmp_path / "image.png")
    whole = (tmp_path / "image.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])

    assert inpaint(Image.open(tmp_path / "image.png"), hole).size == SHAPE[::-1]
    with (
        Image.open(tmp_path / "cut.png") as cut,
        pytest.raises(ContractError, match="the Pillow image cannot be decoded: "),
    ):
        inpaint(cut, hole)
