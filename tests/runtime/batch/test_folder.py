"""Every image of a folder finds its one mask and its own output, or a reason why not."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.batch.folder import list_jobs


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    return tmp_path / "images", tmp_path / "masks", tmp_path / "out"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_masks_are_found_by_stem_with_or_without_the_ending(
    folders: tuple[Path, Path, Path],
) -> None:
    images, masks, output = folders
    touch(images, "a.jpg", "b.PNG", "c.gif", "notes.txt", ".hidden.png")
    touch(masks, "a.png", "b_mask.tif", "c.bmp", "unused.png", "a.txt")

    listing = list_jobs(images, masks, output)

    assert [(job.image.name, job.mask.name, job.output) for job in listing.jobs] == [
        ("a.jpg", "a.png", output / "a.jpg"),
        ("b.PNG", "b_mask.tif", output / "b.PNG"),
        ("c.gif", "c.bmp", output / "c.png"),
    ]
    assert listing.skipped == []
    assert [path.name for path in listing.ignored] == [".hidden.png", "notes.txt"]
    assert [path.name for path in listing.unused] == ["unused.png"]


def test_masks_among_the_images_are_no_images(folders: tuple[Path, Path, Path]) -> None:
    images, _, output = folders
    touch(images, "a.jpg", "a_mask.png", "face_mask.jpg", "face_mask_mask.png")

    listing = list_jobs(images, images, output)

    assert [(job.image.name, job.mask.name) for job in listing.jobs] == [
        ("a.jpg", "a_mask.png"),
        ("face_mask.jpg", "face_mask_mask.png"),
    ]


def test_one_mask_serves_all_and_is_no_image(folders: tuple[Path, Path, Path]) -> None:
    images, _, output = folders
    touch(images, "a.jpg", "b.jpg", "hole.png")

    listing = list_jobs(images, images / "hole.png", output)

    assert [(job.image.name, job.mask.name) for job in listing.jobs] == [
        ("a.jpg", "hole.png"),
        ("b.jpg", "hole.png"),
    ]


def test_images_without_one_mask_or_an_own_output_are_skipped_with_the_reason(
    folders: tuple[Path, Path, Path],
) -> None:
    images, masks, output = folders
    touch(images, "a.jpg", "b.jpg", "c.jpg", "c.png")
    touch(masks, "b.png", "b_mask.png", "c.png")

    listing = list_jobs(images, masks, output, ".webp")

    assert [job.output.name for job in listing.jobs] == ["c.webp"]
    assert [(path.name, reason) for path, reason in listing.skipped] == [
        ("a.jpg", f"no mask a.* or a_mask.* in {masks}"),
        ("b.jpg", "more than one mask: b.png, b_mask.png"),
        ("c.png", "its result would replace that of c.jpg"),
    ]


def test_folders_that_do_not_do_are_refused(folders: tuple[Path, Path, Path]) -> None:
    images, masks, output = folders
    with pytest.raises(ContractError, match="must hold at least one; got none in"):
        list_jobs(images, masks, output)
    touch(images, "a.jpg")
    with pytest.raises(ContractError, match="masks must be an existing file or folder"):
        list_jobs(images, masks / "absent", output)
    with pytest.raises(ContractError, match="results need a folder of their own"):
        list_jobs(images, masks, images)
    with pytest.raises(ContractError, match="results need a folder of their own"):
        list_jobs(images, masks, masks)
    with pytest.raises(ContractError, match="the output of a folder must be a folder"):
        list_jobs(images, masks, output.with_suffix(".png"))
