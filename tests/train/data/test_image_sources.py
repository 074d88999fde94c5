"""Folders, photographs and mixtures give squares by their recipe; a broken file is named."""

import pickle
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from csakit.plugins.errors import ExitCode, LibraryError
from csakit.train.data import image_sources
from csakit.train.data.image_sources import (
    HELD_OUT,
    TRAINED_ON,
    FolderImages,
    Mixture,
    Photographs,
    read_rgb,
)
from csakit.train.data.procedural import DeadLeaves
from csakit.train.data.protocols import BrokenImageError
from csakit.train.data.recipes import RecipeName, Split
from helpers.pictures import break_files, gradient, write_picture
from PIL import Image

RED, GREEN = 0, 1


def load(source: FolderImages | Photographs, index: int, size: int, seed: int = 0) -> np.ndarray:
    return source.load(index, size, np.random.default_rng(seed))


def squares(
    folder: Path, recipe: RecipeName, split: Split, sides: tuple[int, int], count: int
) -> list[np.ndarray]:
    """Squares of 64 out of one gradient picture, one for each seed."""
    Image.fromarray(gradient(*sides)).save(folder / "x.png")
    images = FolderImages(folder, recipe, split)
    return [load(images, 0, 64, seed) for seed in range(count)]


def span(square: np.ndarray, channel: int) -> tuple[float, float]:
    """The range of a channel of a gradient, as a share: which part of the picture is seen."""
    return square[..., channel].min() / 255, square[..., channel].max() / 255


@pytest.mark.parametrize(
    ("recipe", "sides", "height", "tolerance"),
    [
        pytest.param("celeba", (178, 218), (20 / 218, 198 / 218), 0.01, id="the middle 178"),
        pytest.param("stretch", (936, 537), (0, 1), 0.02, id="the whole picture"),
    ],
)
def test_celeba_and_stretch_are_one_square_mirrored_half_of_the_time(
    tmp_path: Path,
    recipe: RecipeName,
    sides: tuple[int, int],
    height: tuple[float, float],
    tolerance: float,
) -> None:
    drawn = squares(tmp_path, recipe, "train", sides, 20)

    assert {square[0, 0, RED] < 128 for square in drawn} == {True, False}
    for square in drawn:
        assert span(square, RED) == pytest.approx((0, 1), abs=tolerance)
        assert span(square, GREEN) == pytest.approx(height, abs=tolerance)


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

    monkeypatch.setattr(image_sources, "read_rgb", spy)
    square = load(FolderImages(tmp_path, "folder", "all"), 0, 256)

    assert seen == [(400, 300)]
    assert square[128, :, RED].astype(int) == pytest.approx(
        np.linspace(255 * 1 / 8, 255 * 7 / 8, 256), abs=4
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_of_8_bits_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode in ("CMYK", "YCbCr") else "png"
    Image.fromarray(gradient(32, 32)).convert(mode).save(tmp_path / f"x.{suffix}")

    square = load(FolderImages(tmp_path, "folder", "all"), 0, 32)

    assert square.shape == (32, 32, 3)
    assert square.std() > 20


def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to the right to see it upright
    Image.fromarray(np.rot90(gradient(64, 64))).save(tmp_path / "x.png", exif=exif)

    square = load(FolderImages(tmp_path, "folder", "all"), 0, 64)

    np.testing.assert_array_equal(square, gradient(64, 64))


def test_each_broken_file_is_named(tmp_path: Path) -> None:
    names = break_files(tmp_path)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(tmp_path / "deep.png")
    images = FolderImages(tmp_path, "folder", "all")

    assert [images.name(index) for index in range(len(images))] == sorted([*names, "deep.png"])
    for index in range(len(images)):
        with pytest.raises(BrokenImageError) as caught:
            load(images, index, 64)
        assert images.name(index) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == ExitCode.USAGE


def test_a_file_that_may_not_be_read_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = FolderImages(write_picture(tmp_path / "x.png").parent, "folder", "all")

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)  # root, as in a container, may read everything

    with pytest.raises(BrokenImageError, match=r"x\.png: Permission denied"):
        load(images, 0, 64)


def test_folders_can_be_pickled(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png")
    images = pickle.loads(pickle.dumps(FolderImages(tmp_path, "folder", "all")))

    assert load(images, 0, 16).shape == (16, 16, 3)


def test_a_cache_changes_no_square_and_saves_reading(tmp_path: Path) -> None:
    Image.fromarray(gradient(300, 280)).save(tmp_path / "x.png")
    plain = FolderImages(tmp_path, "zoom", "train")
    cached = FolderImages(tmp_path, "zoom", "train", cache_mib=1)
    wanted = [load(plain, 0, 64, seed) for seed in range(3)]
    load(cached, 0, 64, seed=9)
    (tmp_path / "x.png").unlink()

    np.testing.assert_array_equal([load(cached, 0, 64, seed) for seed in range(3)], wanted)


def test_an_image_larger_than_the_cache_is_read_each_time(tmp_path: Path) -> None:
    Image.fromarray(gradient(800, 700)).save(tmp_path / "x.png")
    cached = FolderImages(tmp_path, "zoom", "train", cache_mib=1)
    load(cached, 0, 64)
    (tmp_path / "x.png").unlink()

    with pytest.raises(BrokenImageError):
        load(cached, 0, 64)


def test_no_photograph_is_trained_on_and_held_out() -> None:
    assert not {*HELD_OUT} & {*TRAINED_ON}
    train, val = Photographs("train"), Photographs("val")
    assert [train.name(index) for index in range(len(train))] == [*TRAINED_ON]
    assert [val.name(index) for index in range(len(val))] == ["chelsea", "coffee"]


def test_held_out_photographs_are_their_middle_unchanged() -> None:
    square = load(Photographs("val"), 0, 256)

    np.testing.assert_array_equal(square, skimage.data.chelsea()[22:278, 98:354])


@pytest.mark.parametrize("index", range(len(TRAINED_ON)))
def test_training_photographs_are_never_the_same_twice(index: int) -> None:
    train = Photographs("train")

    drawn = [load(train, index, 256, seed) for seed in (1, 2, 1)]

    assert drawn[0].shape == (256, 256, 3)
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert np.abs(drawn[0].astype(int) - drawn[1]).mean() > 5
    assert all(square.std() > 3 for square in drawn)


def test_without_scikit_image_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    image_sources._photograph.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)

    with pytest.raises(LibraryError, match="pip install scikit-image"):
        Photographs("train")


class Numbered:
    """A source that knows what was asked of it."""

    def __init__(self, letter: str, count: int) -> None:
        self.letter, self.count = letter, count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        assert 0 <= index < self.count
        return f"{self.letter}{index}"

    def load(self, index: int, size: int, rng: np.random.Generator) -> np.ndarray:
        return np.full((size, size, 3), ord(self.letter) + index, dtype=np.uint8)

    def summary(self) -> dict[str, Any]:
        return {"kind": "numbered"}


@pytest.mark.parametrize("shares", [[0.7, 0.3], [7, 3]])
def test_every_image_comes_and_parts_have_their_shares(shares: list[float]) -> None:
    mixture = Mixture([Numbered("a", 70), Numbered("b", 10)], shares)

    names = Counter(mixture.name(index) for index in range(len(mixture)))

    assert len(mixture) == 100
    assert {names[f"a{index}"] for index in range(70)} == {1}
    assert {names[f"b{index}"] for index in range(10)} == {3}


def test_endless_parts_fill_up_their_share() -> None:
    mixture = Mixture([DeadLeaves(10_000), Numbered("a", 6)], [0.25, 0.75])

    names = [mixture.name(index) for index in range(len(mixture))]

    assert names == ["procedural-00000", "procedural-00001", *(f"a{i}" for i in range(6))]


def test_images_come_from_the_part_they_are_named_after(rng: np.random.Generator) -> None:
    mixture = Mixture([Numbered("a", 4), Numbered("q", 4)], [1, 1])

    for index in range(len(mixture)):
        letter, number = mixture.name(index)
        assert (mixture.load(index, 2, rng) == ord(letter) + int(number)).all()


def test_a_part_of_the_smallest_share_still_comes() -> None:
    mixture = Mixture([Numbered("a", 3), DeadLeaves(10)], [0.999, 0.001])

    assert [mixture.name(index) for index in range(len(mixture))].count("procedural-00000") == 1
