"""Every image of a folder finds its one mask and its own output, or a reason why not."""

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.batch import folder
from csakit.runtime.batch.folder import list_folders
from csakit.runtime.batch.job import Job


class Listed:
    """All folders of one listing, together."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.skipped: list[tuple[Path, str]] = []
        self.ignored: list[Path] = []
        self.folders: list[Path] = []
        self.unused: list[Path] = []


def list_jobs(*arguments: Any, **options: bool) -> Listed:  # noqa: ANN401
    listed = Listed()
    for one in list_folders(*arguments, **options):
        entries = list(one.entries)
        assert len(entries) == one.count
        for entry in entries:
            if isinstance(entry, Job):
                listed.jobs.append(entry)
            else:
                listed.skipped.append((entry.image, entry.reason))
        listed.ignored += one.ignored
        listed.folders += one.folders
        listed.unused += one.unused
    return listed


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


@pytest.mark.parametrize(
    ("masks", "pairs"),
    [
        ("", {"a.jpg": "a_mask.png", "face_mask.jpg": "face_mask_mask.png"}),
        ("hole.png", {"a.jpg": "hole.png", "b.jpg": "hole.png"}),  # one mask serves all
    ],
)
def test_masks_among_the_images_are_no_images(
    folders: tuple[Path, Path, Path], masks: str, pairs: dict[str, str]
) -> None:
    images, _, output = folders
    touch(images, *pairs, *pairs.values())

    listing = list_jobs(images, images / masks, output)

    assert [(job.image.name, job.mask.name) for job in listing.jobs] == [*pairs.items()]


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


def names(listing: Listed) -> list[tuple[str, str]]:
    return [(job.image.name, job.mask.name) for job in listing.jobs]


def test_an_image_without_a_mask_takes_no_name_from_another(
    folders: tuple[Path, Path, Path],
) -> None:
    images, masks, output = folders
    touch(images, "a.jpg", "a.png", "b.jpg")
    touch(masks, "b.png", "a_mask.png", "a.png")

    listing = list_jobs(images, masks, output, ".webp")

    assert names(listing) == [("b.jpg", "b.png")]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("CAT.jpg", "cat.png"),
        ("Cat.jpg", "cat_mask.png"),
        ("cat.jpg", "CAT.PNG"),
        ("caf\u00e9.jpg", "cafe\u0301.png"),
        ("cafe\u0301.jpg", "caf\u00e9_mask001.png"),
        ("\ud55c.jpg", "\u1112\u1161\u11ab.png"),
        ("\u212bngstr\u00f6m.jpg", "A\u030angstro\u0308m.png"),
        ("\u1ead.jpg", "a\u0302\u0323.png"),  # two accents, the other one first
        ("\u304c.jpg", "\u304b\u3099_mask.png"),
        ("new\nline.jpg", "new\nline_mask.png"),
        (" %s {0} [1] *.jpg", " %s {0} [1] *.png"),
        ("-o \x1b[2J.jpg", "-o \x1b[2J.png"),
        (os.fsdecode(b"\xff\xfe.jpg"), os.fsdecode(b"\xff\xfe.png")),
    ],
)
def test_a_mask_is_found_where_case_or_encoding_differ(
    folders: tuple[Path, Path, Path], image: str, mask: str
) -> None:
    images, masks, output = folders
    touch(images, image)
    touch(masks, mask)

    assert names(list_jobs(images, masks, output)) == [(image, mask)]


def test_a_mask_of_another_image_is_not_taken_for_a_name_in_another_case(
    folders: tuple[Path, Path, Path],
) -> None:
    images, masks, output = folders
    touch(images, "A.jpg", "a.jpg", "h.PNG", "h.png")
    if len(list(images.iterdir())) < 4:
        pytest.skip("this file system does not tell the case apart")
    touch(masks, "a.png", "h.bmp")

    listing = list_jobs(images, masks, output)

    assert names(listing) == [("a.jpg", "a.png"), ("h.PNG", "h.bmp"), ("h.png", "h.bmp")]
    assert [path.name for path, _ in listing.skipped] == ["A.jpg"]
    assert listing.skipped[0][1].startswith("no mask A.* or A_mask.*")


def test_results_that_differ_in_case_collide_where_the_file_system_folds_it(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, masks, output = folders
    touch(images, "A.jpg", "a.png")
    touch(masks, "A.bmp", "a_mask.bmp")
    monkeypatch.setattr(folder, "_folds_case", lambda _: True)

    listing = list_jobs(images, masks, output, ".png")

    assert [job.output.name for job in listing.jobs] == ["A.png"]
    assert listing.skipped[0][1] == "its result would replace that of A.jpg"


@pytest.mark.parametrize("mask", ["cat_mask.png", "cat_mask1.png", "cat_mask001.png"])
def test_numbered_masks_among_the_images_are_masks(
    folders: tuple[Path, Path, Path], mask: str
) -> None:
    images, _, output = folders
    touch(images, "cat.png", mask, "dog.png")

    listing = list_jobs(images, images, output)

    assert names(listing) == [("cat.png", mask)]
    assert [(path.name, reason) for path, reason in listing.skipped] == [
        ("dog.png", f"no mask dog_mask.* in {images}")
    ]


def test_every_entry_is_a_job_or_named(folders: tuple[Path, Path, Path]) -> None:
    images, masks, output = folders
    touch(images, "a.jfif", "b.jpe", "c.pnm", "d.DIB", "e.apng", "raw.NEF", "p.psd", "._a.jpg")
    touch(masks, "a.png", "b.png", "c.png", "d.png", "e.png")
    (images / "gone.png").symlink_to("nowhere.png")
    (images / "loop.png").symlink_to("loop.png")
    (images / "sub").mkdir()
    os.mkfifo(images / "pipe.png")

    listing = list_jobs(images, masks, output)

    assert [job.output.name for job in listing.jobs] == [
        *("a.png", "b.png", "c.png", "d.png", "e.png"),
    ]
    assert {path.name: reason for path, reason in listing.skipped} == {
        "gone.png": "it is a link to nowhere.png, which does not exist",
        "loop.png": "it is a link that leads in a circle",
        "p.psd": "the format .psd is not read; convert it",
        "raw.NEF": "the format .nef is not read; convert it",
    }
    assert [path.name for path in listing.ignored] == ["pipe.png"]
    assert [path.name for path in listing.folders] == ["sub"]


def test_sub_folders_are_entered_when_told_but_not_those_of_masks_and_results(
    tmp_path: Path,
) -> None:
    images, masks, output = tmp_path, tmp_path / "masks", tmp_path / "out"
    for place in ("", "x", "x/y"):
        (images / place).mkdir(exist_ok=True)
        (masks / place).mkdir(exist_ok=True, parents=True)
        touch(images / place, "cat.jpg")
        touch(masks / place, "cat.png")
    output.mkdir()
    touch(output, "cat.jpg")
    (images / "again").symlink_to(images, target_is_directory=True)

    listing = list_jobs(images, masks, output, recursive=True)

    assert [job.image.relative_to(images).as_posix() for job in listing.jobs] == [
        *("cat.jpg", "x/cat.jpg", "x/y/cat.jpg"),
    ]
    assert [job.mask.relative_to(masks).as_posix() for job in listing.jobs] == [
        *("cat.png", "x/cat.png", "x/y/cat.png"),
    ]
    assert [job.output.relative_to(output).as_posix() for job in listing.jobs] == [
        *("cat.jpg", "x/cat.jpg", "x/y/cat.jpg"),
    ]
    assert [path.name for path in listing.folders] == ["again"]


@pytest.mark.parametrize("name", ["caf\u00e9", "\ud55c", "\u1ead/\u00f6"])
def test_sub_folders_are_found_where_accents_are_encoded_in_another_way(
    folders: tuple[Path, Path, Path], name: str
) -> None:
    images, masks, output = folders
    other = unicodedata.normalize("NFD", name)
    (images / name).mkdir(parents=True)
    (masks / other).mkdir(parents=True)
    touch(images / name, "a.jpg")
    touch(masks / other, "a.png")

    listing = list_jobs(images, masks, output, recursive=True)

    assert [(job.mask, job.output) for job in listing.jobs] == [
        (masks / other / "a.png", output / name / "a.jpg")
    ]


def test_one_mask_serves_sub_folders_as_well(tmp_path: Path) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    touch(tmp_path / "in", "a.png", "hole.png")
    touch(tmp_path / "in/sub", "a.png")

    listing = list_jobs(tmp_path / "in", tmp_path / "in/hole.png", tmp_path / "out", recursive=True)

    assert [job.output.relative_to(tmp_path).as_posix() for job in listing.jobs] == [
        *("out/a.png", "out/sub/a.png"),
    ]
