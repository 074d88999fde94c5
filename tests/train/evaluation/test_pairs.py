"""Pairs are the same every time, and options that give none are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data import bucket_of
from csakit.train.evaluation.pairs import EvaluationOptions, Pairs
from helpers.pictures import write_mask, write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures, one of them broken."""
    for level, name in enumerate("abd"):
        write_picture(tmp_path / "photos" / f"{name}.png", level=40 * level)
    (tmp_path / "photos" / "c.png").write_bytes(b"not a picture")
    return tmp_path / "photos"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A folder with one mask whose upper quarter is white."""
    return write_mask(tmp_path / "irregular" / "mask.png", 0.25).parent


def pairs_of(data: Path | str, *masks: str, **rest: object) -> Pairs:
    options = {"data": str(data), "masks": masks or ("center",), "split": "all", **rest}
    return Pairs(EvaluationOptions(**options))


def test_the_same_options_give_the_same_pairs_and_another_seed_other_holes(photos: Path) -> None:
    one, two, other = (
        list(pairs_of(photos, "freeform", seed=seed).of("freeform")) for seed in (3, 3, 4)
    )

    for (name, image, hole), (name_too, image_too, hole_too) in zip(one, two, strict=True):
        assert name == name_too
        assert np.array_equal(image, image_too)
        assert np.array_equal(hole, hole_too)
    assert any(
        (hole != hole_too).any() for (*_, hole), (*_, hole_too) in zip(one, other, strict=True)
    )


def test_every_kind_of_holes_has_the_same_images(photos: Path, masks: Path) -> None:
    pairs = pairs_of(photos, "center", "freeform", str(masks))

    assert pairs.kinds == ("center", "freeform", "irregular")
    images = [[image for _, image, _ in pairs.of(kind)] for kind in pairs.kinds]
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])
    assert images[0][0].shape == (256, 256, 3)
    assert {int(hole.sum()) for *_, hole in pairs.of("center")} == {120 * 120}
    assert {int(hole[:64].sum()) for *_, hole in pairs.of("irregular")} == {64 * 256}


def test_broken_images_are_left_out_and_noted_once(photos: Path) -> None:
    pairs = pairs_of(photos, "center", "freeform")

    names = [[name for name, *_ in pairs.of(kind)] for kind in (*pairs.kinds, "center")]

    assert names == [["a.png", "b.png", "d.png"]] * 3
    (line,) = pairs.broken
    assert "c.png" in line


def test_each_image_gets_a_hole_of_each_bucket(photos: Path) -> None:
    pairs = pairs_of(photos, "center", "freeform", buckets=("0-10", "40-50"))

    found = [(name, bucket_of(hole)) for name, _, hole in pairs.of("freeform")]

    names = ["a.png", "b.png", "d.png"]
    assert found == [(name, bucket) for bucket in ("0-10", "40-50") for name in names]
    assert len(list(pairs.of("center"))) == 3
    assert len(pairs) == 4 + 2 * 4


def test_black_may_be_missing_in_a_folder_of_masks(photos: Path, masks: Path) -> None:
    pairs = pairs_of(photos, str(masks), mask_invert=True)

    assert not any(hole[:64].any() for *_, hole in pairs.of("irregular"))
    assert all(hole[64:].all() for *_, hole in pairs.of("irregular"))


def test_folders_of_the_same_name_are_told_apart(photos: Path, masks: Path) -> None:
    other = masks.parent / "other" / "irregular"
    other.parent.mkdir()
    other.symlink_to(masks)

    assert pairs_of(photos, str(masks), str(other)).kinds == (str(masks), str(other))


def test_the_summary_says_what_was_evaluated_on(photos: Path) -> None:
    summary = pairs_of(photos, "center", "freeform", seed=5, count=2).summary()

    assert summary["images"]["name"] == "photos"
    assert [*summary["masks"]] == ["center", "freeform"]
    assert (summary["seed"], summary["count"], summary["size"]) == (5, 2, 256)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 300}, "size must be a positive multiple of 256 pixels; got 300"),
        ({"size": 0}, "got 0"),
        ({"count": 0}, "count must be at least 1; got 0"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"split": "train"}, '"train" is augmented'),
        ({"masks": ()}, "masks must be one or more of"),
        ({"masks": ("center", "")}, "masks must be one or more of .* got 'center,'"),
        ({"masks": ("center", "center")}, "each once"),
    ],
)
def test_options_without_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        EvaluationOptions(**{"data": "photos", "masks": ("center",), **wrong})
