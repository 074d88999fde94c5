"""Each data set is found as its site hands it out, with its own split."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data.recipes import RECIPES, RecipeName, Split, list_images


def tree(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def listed(root: Path, recipe: RecipeName, split: Split) -> list[str]:
    return list_images(root, RECIPES[recipe], split)


def test_places2_follows_its_lists(tmp_path: Path) -> None:
    tree(tmp_path, "data_large/a/airfield/1.jpg", "data_large/a/airfield/2.jpg", "val_large/v.jpg")
    (tmp_path / "places365_train_standard.txt").write_text(
        "/a/airfield/2.jpg 0\n/z/zen_garden/1.jpg 364\n"  # the second category was not kept
    )
    (tmp_path / "places365_val.txt").write_text("v.jpg 165\n")

    assert listed(tmp_path, "places2", "train") == ["data_large/a/airfield/2.jpg"]
    assert listed(tmp_path, "places2", "val") == ["val_large/v.jpg"]


# Train image, validation image, and one that is neither.
SPLITS = {
    "places2": [
        (f"{train}/a/abbey/1.jpg", f"{val}/v.jpg", "test_large/t.jpg")
        for train in ("data_large_standard", "data_large", "data_256")
        for val in ("val_large", "val_256")
    ],
    "paris": [
        ("paris_train_original/a.JPG", f"{val}/1.png", "paris_eval/paris_eval_corrupted/1.png")
        for val in ("paris_eval_gt", "paris_eval/paris_eval_gt")
    ],
    "folder": [
        (f"{train}/x/1.png", f"{val}/2.png", "other/3.png")
        for train, val in (("train", "val"), ("training", "validation"))
    ],
}


@pytest.mark.parametrize(
    ("recipe", "paths"),
    [
        (recipe, paths)
        for name, several in SPLITS.items()
        for paths in several
        for recipe in (name, "stretch")
    ],
)
def test_folders_split_a_data_set(
    tmp_path: Path, recipe: RecipeName, paths: tuple[str, str, str]
) -> None:
    train, val, _ = paths
    tree(tmp_path, *paths)

    assert listed(tmp_path, recipe, "train") == [train]
    assert listed(tmp_path, recipe, "val") == [val]
    assert listed(tmp_path, recipe, "all") == [train, val]


@pytest.mark.parametrize("recipe", ["celeba", "stretch"])
@pytest.mark.parametrize(
    ("images", "table"),
    [
        ("img_align_celeba", "list_eval_partition.txt"),
        ("Img/img_align_celeba", "Eval/list_eval_partition.txt"),
        ("img_align_celeba/img_align_celeba", "list_eval_partition.csv"),
    ],
)
def test_celeba_follows_its_partition(
    tmp_path: Path, recipe: RecipeName, images: str, table: str
) -> None:
    tree(tmp_path, *(f"{images}/{index}.jpg" for index in range(4)), table)
    comma = table.endswith(".csv")
    rows = [("0.jpg", 0), ("1.jpg", 1), ("2.jpg", 2), ("3.jpg", 0)]
    lines = ["image_id,partition"] if comma else []
    lines += [f"{name}{',' if comma else ' '}{part}" for name, part in rows]
    (tmp_path / table).write_text("\n".join(lines))

    assert listed(tmp_path, recipe, "train") == [f"{images}/0.jpg", f"{images}/3.jpg"]
    assert listed(tmp_path, recipe, "val") == [f"{images}/1.jpg"]


def test_celeba_without_its_partition_is_split_by_name(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{index:06d}.jpg" for index in range(60)))

    train, val = (listed(tmp_path, "celeba", split) for split in ("train", "val"))

    assert sorted(train + val) == listed(tmp_path, "celeba", "all")
    assert 0 < len(val) < 10


@pytest.mark.parametrize("suffix", [".txt", ".flist"])
def test_a_folder_may_be_split_by_lists(tmp_path: Path, suffix: str) -> None:
    tree(tmp_path, "pics/1.png", "pics/two words.png", "train/3.png")
    (tmp_path / f"train{suffix}").write_text("pics/two words.png\npics/two words.png\n")
    (tmp_path / f"val{suffix}").write_text(f"{tmp_path}/pics/1.png\n")

    assert listed(tmp_path, "folder", "train") == ["pics/two words.png"]
    assert listed(tmp_path, "folder", "val") == [f"{tmp_path}/pics/1.png"]


def test_a_train_folder_alone_gives_the_validation_images_too(tmp_path: Path) -> None:
    tree(tmp_path, *(f"train/{index}.png" for index in range(5)), "other/x.png")

    train, val = (listed(tmp_path, "folder", split) for split in ("train", "val"))

    assert sorted(train + val) == [f"train/{index}.png" for index in range(5)]
    assert len(val) == 1


def test_auto_is_everything_only_where_a_set_has_no_split_of_its_own(tmp_path: Path) -> None:
    plain, split, half = (tmp_path / name for name in ("plain", "split", "half"))
    tree(plain, *(f"{index}.png" for index in range(9)))
    tree(split, "train/1.png", "val/2.png")
    tree(half, *(f"train/{index}.png" for index in range(9)))

    assert listed(plain, "folder", "auto") == [f"{index}.png" for index in range(9)]
    assert listed(split, "folder", "auto") == ["val/2.png"]
    assert listed(half, "folder", "auto") == listed(half, "folder", "val")


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_empty_folder_is_refused_with_what_is_taken(tmp_path: Path, recipe: RecipeName) -> None:
    (tmp_path / "notes.txt").touch()

    with pytest.raises(ContractError, match=r"got none in .*\n.*\.bmp, .*\.jpg.*\.png") as caught:
        listed(tmp_path, recipe, "train")

    assert str(tmp_path) in str(caught.value)
