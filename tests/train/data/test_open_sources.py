"""What a user writes opens the right source, or is refused with what to write."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data import bucket_of, open_images, open_masks
from helpers.pictures import write_mask, write_picture

# One of the six is kept for validation.
PHOTOS = {"kind": "folder", "name": "photos", "recipe": "folder", "split": "train", "images": 5}
DRAWN = {"kind": "procedural", "images": None}
HELD_OUT = {"kind": "scikit-image", "split": "val", "names": ["chelsea", "coffee"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(6):
        write_picture(tmp_path / "photos" / f"{index}.png", level=40 * index)
    write_mask(tmp_path / "strokes" / "x.png", 0.15)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "summary"),
    [
        ({"spec": "procedural"}, DRAWN),
        ({"spec": "scikit-image", "split": "val"}, HELD_OUT),
        ({"spec": "{}/photos"}, PHOTOS),
        (
            {"spec": "{}/photos:1, procedural:3"},
            {"kind": "mixture", "parts": [{"share": 0.25, **PHOTOS}, {"share": 0.75, **DRAWN}]},
        ),
    ],
)
def test_images_are_opened_by_name_and_described_without_absolute_paths(
    folder: Path, arguments: dict[str, Any], summary: dict[str, Any]
) -> None:
    images = open_images(**{**arguments, "spec": arguments["spec"].format(folder)})

    assert json.loads(json.dumps(images.summary())) == summary


def test_a_folder_with_a_comma_in_its_name_is_a_folder(folder: Path) -> None:
    odd = (folder / "photos").rename(folder / "a:1,b:2")

    assert open_images(str(odd)).summary() == {**PHOTOS, "name": "a:1,b:2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "nowhere"}, "folder, 'procedural' or 'scikit-image'; 'nowhere' does not exist"),
        ({"spec": "x:1,nowhere:2"}, "'x' does not exist"),
        ({"spec": "procedural", "recipe": "imagenet"}, "recipe must be one of folder, zoom"),
        ({"spec": "procedural", "split": "test"}, "train, val, all, auto; got 'test'"),
        *(
            ({"spec": spec}, r"positive share, as in 'photos:0\.7,procedural:0\.3'")
            for spec in ("procedural,scikit-image", "procedural:0,scikit-image:1", "a,")
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


STROKES = {"kind": "freeform", "ratio": [0.1, 0.4]}
FILES = {"kind": "folder", "name": "strokes", "masks": 1, "inverted": False}


@pytest.mark.parametrize(
    ("spec", "buckets", "summary"),
    [
        *((name, None, {"kind": "center"}) for name in ("center", "centre")),
        ("freeform", None, STROKES),
        ("freeform", ["0-10"], {"kind": "freeform", "buckets": ["0-10"]}),
        ("box", None, {"kind": "box"}),
        (
            "freeform:1,box:3",
            None,
            {
                "kind": "mixture",
                "parts": [{"share": 0.25, **STROKES}, {"share": 0.75, "kind": "box"}],
            },
        ),
        ("{}/strokes", None, FILES),
        ("{}/strokes", ["10-20"], {**FILES, "buckets": ["10-20"]}),
    ],
)
def test_holes_are_opened_by_name_and_described_without_absolute_paths(
    folder: Path,
    spec: str,
    buckets: list[str] | None,
    summary: dict[str, Any],
    rng: np.random.Generator,
) -> None:
    masks = open_masks(spec.format(folder), buckets=buckets, augment=False)

    hole = masks.draw(256, rng)
    assert 0 < hole.mean() < 0.6
    assert buckets is None or bucket_of(hole) == buckets[0]
    assert json.loads(json.dumps(masks.summary())) == summary


def test_each_part_of_a_mixture_of_holes_is_drawn_in_the_buckets(
    folder: Path, rng: np.random.Generator
) -> None:
    masks = open_masks(f"{folder / 'strokes'}:1,box:3", buckets=["10-20"], augment=False)

    holes = [masks.draw(64, rng) for _ in range(80)]

    assert {bucket_of(hole) for hole in holes} == {"10-20"}
    assert 8 < sum(bool(hole[:9].all()) for hole in holes) < 35  # 20 expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "nowhere"}, "or one of center, box, freeform, thin, blob; 'nowhere' does not"),
        ({"spec": "freeform,box"}, "come once and have a positive share"),
        ({"spec": "box:1,box:2"}, "come once and have a positive share"),
        ({"spec": "center", "buckets": ["0-10"]}, "the centre hole has one size; got buckets 0-10"),
        ({"spec": "freeform", "buckets": ["5-10"]}, "buckets must be among"),
    ],
)
def test_unknown_masks_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        open_masks(**arguments)
