"""What a user writes opens the right source, or is refused with what to write."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data import bucket_of, describe, open_images, open_masks
from csakit.train.data.image_folder import FolderImages
from csakit.train.data.open_sources import Mixture
from csakit.train.data.photographs import Photographs
from csakit.train.data.procedural import DeadLeaves
from helpers.pictures import write_mask, write_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(6):
        write_picture(tmp_path / "photos" / f"{index}.png", level=40 * index)
    return tmp_path / "photos"


def test_images_are_opened_by_name(folder: Path) -> None:
    assert isinstance(open_images("procedural"), DeadLeaves)
    assert isinstance(open_images("scikit-image", split="val"), Photographs)
    assert isinstance(open_images(str(folder)), FolderImages)
    assert isinstance(open_images(f"{folder}:0.7, procedural:0.3"), Mixture)


def test_a_folder_with_a_comma_in_its_name_is_a_folder(folder: Path) -> None:
    odd = folder.rename(folder.with_name("a:1,b:2"))

    assert isinstance(open_images(str(odd)), FolderImages)


@pytest.mark.parametrize("spec", ["procedural,scikit-image", "procedural:0,scikit-image:1", "a,"])
def test_a_mixture_without_shares_is_refused(spec: str) -> None:
    with pytest.raises(ContractError, match=r"positive share, as in 'photos:0\.7,procedural:0\.3'"):
        open_images(spec)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "nowhere"}, "folder, 'procedural' or 'scikit-image'; 'nowhere' does not exist"),
        ({"spec": "x:1,nowhere:2"}, "'x' does not exist"),
        ({"spec": "procedural", "recipe": "imagenet"}, "recipe must be one of folder, zoom"),
        (
            {"spec": "procedural", "split": "test"},
            "train, val, all, auto; got 'test'",
        ),
    ],
)
def test_unknown_images_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        open_images(**arguments)


def test_files_are_no_folders(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "x.png", 0.5)

    for opened in (open_images, open_masks):
        with pytest.raises(ContractError, match=r"must be a folder; .* is a file"):
            opened(str(path))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        *(("center", "center"), ("centre", "center"), ("freeform", "freeform"), ("box", "box")),
        ("freeform:0.7,box:0.3", "mixture"),
    ],
)
def test_holes_are_opened_by_name(spec: str, kind: str, rng: np.random.Generator) -> None:
    masks = open_masks(spec)

    assert masks.kind == kind
    assert 0.02 < masks.draw(256, rng).mean() < 0.6
    assert describe(masks)["kind"] == kind


def test_each_part_of_a_mixture_of_holes_is_drawn_in_the_buckets(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write_mask(tmp_path / "half.png", 0.15)
    masks = open_masks(f"{tmp_path}:1,box:3", buckets=["10-20"], augment=False)

    holes = [masks.draw(64, rng) for _ in range(80)]

    assert {bucket_of(hole) for hole in holes} == {"10-20"}
    assert 8 < sum(bool(hole[:9].all()) for hole in holes) < 35  # 20 expected


def test_a_folder_of_masks_is_drawn_by_bucket(tmp_path: Path, rng: np.random.Generator) -> None:
    for tenth in range(10):
        write_mask(tmp_path / f"{tenth}.png", tenth / 10 + 0.05)

    masks = open_masks(str(tmp_path), buckets=["20-30"])
    holes = [masks.draw(64, rng) for _ in range(20)]

    assert masks.kind == "folder"
    assert {bucket_of(hole) for hole in holes} == {"20-30"}
    assert describe(masks)["buckets"] == ["20-30"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "nowhere"}, "or one of center, box, freeform, thin, blob; 'nowhere' does not"),
        ({"spec": "freeform,box"}, "come once and have a positive share"),
        ({"spec": "box:1,box:2"}, "come once and have a positive share"),
        ({"spec": "center", "buckets": ["0-10"]}, "the centre hole has one size; got buckets 0-10"),
        ({"spec": "freeform", "buckets": ["5-10"]}, "buckets must be among"),
        ({"spec": "freeform", "ratio": (0.5, 0.1)}, "0 < low <= high < 1"),
    ],
)
def test_unknown_masks_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        open_masks(**arguments)


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


def test_a_mixture_describes_its_parts() -> None:
    summary = describe(Mixture([DeadLeaves(10), Numbered("a", 3)], [1, 3]))

    assert summary == {
        "kind": "mixture",
        "parts": [
            {"share": 0.25, "kind": "procedural", "images": None},
            {"share": 0.75, "kind": "Numbered"},
        ],
    }
