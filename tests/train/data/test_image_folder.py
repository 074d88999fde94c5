"""Folders give squares by their recipe; each way a file can be broken is named."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from csakit.train.data.image_folder import FolderImages, read_rgb
from csakit.train.data.protocols import BrokenImageError
from csakit.train.data.recipes import RecipeName, Split
from helpers.pictures import break_files, gradient, write_picture
from PIL import Image

RED, GREEN = 0, 1


def squares(
    folder: Path, recipe: RecipeName, split: Split, sides: tuple[int, int], count: int
) -> list[np.ndarray]:
    """Squares of 64 out of one gradient picture, one for each seed."""
    Image.fromarray(gradient(*sides)).save(folder / "x.png")
    images = FolderImages(folder, recipe, split)
    return [images.load(0, 64, np.random.default_rng(seed)) for seed in range(count)]


def span(square: np.ndarray, channel: int) -> tuple[float, float]:
    """The range of a channel of a gradient, as a share: which part of the picture is seen."""
    return square[..., channel].min() / 255, square[..., channel].max() / 255


def test_celeba_is_the_middle_178_mirrored_half_of_the_time(tmp_path: Path) -> None:
    drawn = squares(tmp_path, "celeba", "train", (178, 218), 20)

    assert {square[0, 0, RED] < 128 for square in drawn} == {True, False}
    for square in drawn:
        assert span(square, RED) == pytest.approx((0, 1), abs=0.01)
        assert span(square, GREEN) == pytest.approx((20 / 218, 198 / 218), abs=0.01)


def test_paris_is_the_left_middle_or_right_537(tmp_path: Path) -> None:
    drawn = squares(tmp_path, "paris", "train", (936, 537), 30)

    starts = {round(span(square, RED)[0] * 936, -1) for square in drawn}
    assert starts == {0, 200, 400}
    assert all(span(square, GREEN) == pytest.approx((0, 1), abs=0.01) for square in drawn)


def test_places2_is_256_pixels_anywhere(tmp_path: Path) -> None:
    drawn = squares(tmp_path, "places2", "train", (683, 512), 40)

    widths = [np.diff(span(square, RED))[0] * 683 for square in drawn]
    lefts = [span(square, RED)[0] * 683 for square in drawn]
    assert widths == pytest.approx([256] * 40, abs=8)
    assert min(lefts) < 60
    assert max(lefts) > 683 - 256 - 60


def test_a_folder_is_half_to_all_of_the_shorter_side(tmp_path: Path) -> None:
    drawn = squares(tmp_path, "folder", "train", (400, 300), 40)

    heights = [np.diff(span(square, GREEN))[0] * 300 for square in drawn]
    assert 145 < min(heights) < 175
    assert 275 < max(heights) < 301


def test_stretch_is_the_whole_picture(tmp_path: Path) -> None:
    drawn = squares(tmp_path, "stretch", "train", (936, 537), 20)

    assert {square[0, 0, RED] < 128 for square in drawn} == {True, False}
    for square in drawn:
        assert span(square, RED) == pytest.approx((0, 1), abs=0.02)
        assert span(square, GREEN) == pytest.approx((0, 1), abs=0.02)


@pytest.mark.parametrize("recipe", ["folder", "places2", "celeba", "paris", "stretch"])
def test_what_is_not_for_training_is_always_the_middle(tmp_path: Path, recipe: RecipeName) -> None:
    drawn = squares(tmp_path, recipe, "all", (400, 300), 5)

    first = drawn[0]
    assert all(np.array_equal(first, square) for square in drawn)
    assert sum(span(first, RED)) == pytest.approx(1, abs=0.02)
    assert first[0, 0, RED] < first[0, -1, RED]  # not mirrored


def test_jpegs_are_decoded_no_larger_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(gradient(1600, 1200)).save(tmp_path / "x.jpg")
    seen = []

    def spy(path: Path, least: int | None = None) -> Image.Image:
        picture = read_rgb(path, least)
        seen.append(picture.size)
        return picture

    monkeypatch.setattr("csakit.train.data.image_folder.read_rgb", spy)
    square = FolderImages(tmp_path, "folder", "all").load(0, 256, np.random.default_rng(0))

    assert seen == [(400, 300)]
    assert square[128, :, RED].astype(int) == pytest.approx(
        np.linspace(255 * 1 / 8, 255 * 7 / 8, 256), abs=4
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_of_8_bits_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode in ("CMYK", "YCbCr") else "png"
    Image.fromarray(gradient(32, 32)).convert(mode).save(tmp_path / f"x.{suffix}")

    square = FolderImages(tmp_path, "folder", "all").load(0, 32, np.random.default_rng(0))

    assert square.shape == (32, 32, 3)
    assert square.std() > 20


def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to the right to see it upright
    Image.fromarray(np.rot90(gradient(64, 64))).save(tmp_path / "x.png", exif=exif)

    square = FolderImages(tmp_path, "folder", "all").load(0, 64, np.random.default_rng(0))

    np.testing.assert_array_equal(square, gradient(64, 64))


def test_each_broken_file_is_named(tmp_path: Path) -> None:
    names = break_files(tmp_path)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(tmp_path / "deep.png")
    images = FolderImages(tmp_path, "folder", "all")

    assert [images.name(index) for index in range(len(images))] == sorted([*names, "deep.png"])
    for index in range(len(images)):
        with pytest.raises(BrokenImageError) as caught:
            images.load(index, 64, np.random.default_rng(0))
        assert images.name(index) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = FolderImages(write_picture(tmp_path / "x.png").parent, "folder", "all")

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)  # root, as in a container, may read everything

    with pytest.raises(BrokenImageError, match=r"x\.png: Permission denied"):
        images.load(0, 64, np.random.default_rng(0))


def test_folders_can_be_pickled_and_tell_no_path(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "x.png")
    images = pickle.loads(pickle.dumps(FolderImages(tmp_path / "photos", "folder", "all")))

    assert images.load(0, 16, np.random.default_rng(0)).shape == (16, 16, 3)
    assert images.summary() == {
        "kind": "folder",
        "name": "photos",
        "recipe": "folder",
        "split": "all",
        "images": 1,
    }


def test_a_cache_changes_no_square_and_saves_reading(tmp_path: Path) -> None:
    Image.fromarray(gradient(300, 280)).save(tmp_path / "x.png")
    plain = FolderImages(tmp_path, "zoom", "train")
    cached = FolderImages(tmp_path, "zoom", "train", cache_mib=1)
    wanted = [plain.load(0, 64, np.random.default_rng(seed)) for seed in range(3)]
    cached.load(0, 64, np.random.default_rng(9))
    (tmp_path / "x.png").unlink()

    squares = [cached.load(0, 64, np.random.default_rng(seed)) for seed in range(3)]

    np.testing.assert_array_equal(squares, wanted)


def test_an_image_larger_than_the_cache_is_read_each_time(tmp_path: Path) -> None:
    Image.fromarray(gradient(800, 700)).save(tmp_path / "x.png")
    cached = FolderImages(tmp_path, "zoom", "train", cache_mib=1)
    cached.load(0, 64, np.random.default_rng(0))
    (tmp_path / "x.png").unlink()

    with pytest.raises(BrokenImageError):
        cached.load(0, 64, np.random.default_rng(0))
