"""Folders are walked in a fixed order; lists are read; files are set aside by name."""

import pickle
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data.listing import NameList, check_folder, hold_out, present, read_list, walk


def test_images_are_found_at_any_depth_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.JPG", "a/deep/er/x.webp", "c/y.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in (".hidden.png", "notes.txt", "a/.thumbnails/t.png", "c/.git/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [*walk(tmp_path)] == ["b.png", "a/z.JPG", "a/deep/er/x.webp", "c/y.tiff"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").touch()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")

    assert [*walk(tmp_path / "set")] == ["link/x.png"]


def test_lists_have_columns(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("/a/1.jpg 0\n\n/b/2.jpg   7\n")
    (tmp_path / "x.csv").write_text("image_id,partition\n1.jpg,2\n")

    assert read_list(tmp_path / "x.txt") == [["/a/1.jpg", "0"], ["/b/2.jpg", "7"]]
    assert read_list(tmp_path / "x.csv") == [["image_id", "partition"], ["1.jpg", "2"]]


def test_names_in_folders_that_are_absent_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    kept = present(["a/1.jpg", "b/2.jpg", "3.jpg"], tmp_path)

    assert kept == ["a/1.jpg", "3.jpg"]  # files themselves are not looked for


def test_about_one_in_twenty_is_set_aside_whatever_else_is_there() -> None:
    names = [f"{index:06d}.jpg" for index in range(2000)]

    train, val = hold_out(names)
    train_of_half, val_of_half = hold_out(names[::2])

    assert 60 < len(val) < 140  # 100 expected, standard deviation 10
    assert sorted(train + val) == names
    assert {*val_of_half} <= {*val}
    assert {*train_of_half} <= {*train}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_of_a_few_files_at_least_one_is_set_aside(count: int) -> None:
    train, val = hold_out([f"{index}.png" for index in range(count)])

    assert len(train) == count - 1
    assert len(val) == 1


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ContractError, match=r"masks must be a folder; .*file is a file"):
        check_folder(tmp_path / "file", "masks")
    with pytest.raises(ContractError, match=r"masks must be a folder; .*nowhere does not exist"):
        check_folder(tmp_path / "nowhere", "masks")


TEXTS = ["a.png", "", "größe/été.jpg", "with space/x.png", "bytes\udcff.png"]


def test_names_come_back_in_order() -> None:
    names = pickle.loads(pickle.dumps(NameList(TEXTS)))

    assert [names[index] for index in range(len(names))] == TEXTS


def test_many_names_travel_in_their_own_size() -> None:
    texts = [f"category/{index:08d}.jpg" for index in range(10_000)]

    size = len(pickle.dumps(NameList(texts)))

    assert size < sum(map(len, texts)) + 8 * len(texts) + 1000
