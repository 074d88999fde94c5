"""Every image of a folder finds its one mask and its own output, or a reason why not."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.batch import folder
from csakit.runtime.batch.folder import list_folders
from csakit.runtime.batch.job import Job


class Listed:
    """All folders of one listing, together."""

    def __init__(self, *arguments: Any, **options: bool) -> None:  # noqa: ANN401
        self.jobs: list[Job] = []
        self.skipped: dict[str, str] = {}
        self.ignored: list[str] = []
        self.folders: list[str] = []
        self.unused: list[str] = []
        for one in list_folders(*arguments, **options):
            entries = list(one.entries)
            assert len(entries) == one.count
            for entry in entries:
                if isinstance(entry, Job):
                    self.jobs.append(entry)
                else:
                    self.skipped[entry.image.name] = entry.reason
            self.ignored += [path.name for path in one.ignored]
            self.folders += [path.name for path in one.folders]
            self.unused += [path.name for path in one.unused]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(job.image.name, job.mask.name) for job in self.jobs]

    def places(self, root: Path, what: str) -> list[str]:
        return [getattr(job, what).relative_to(root).as_posix() for job in self.jobs]


class Folders:
    """Images, masks, and where results go."""

    def __init__(self, root: Path) -> None:
        self.images, self.masks, self.output = root / "images", root / "masks", root / "out"
        self.images.mkdir()
        self.masks.mkdir()

    def list(
        self,
        images: Sequence[str],
        masks: Sequence[str],
        suffix: str | None = None,
        **options: bool,
    ) -> Listed:
        touch(self.images, *images)
        touch(self.masks, *masks)
        return Listed(self.images, self.masks, self.output, suffix, **options)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_masks_are_found_by_stem_with_or_without_the_ending(folders: Folders) -> None:
    listing = folders.list(
        ["a.jpg", "b.PNG", "c.gif", "notes.txt", ".hidden.png"],
        ["a.png", "b_mask.tif", "c.bmp", "unused.png", "a.txt"],
    )

    assert listing.pairs == [("a.jpg", "a.png"), ("b.PNG", "b_mask.tif"), ("c.gif", "c.bmp")]
    assert listing.places(folders.output, "output") == ["a.jpg", "b.PNG", "c.png"]
    assert listing.skipped == {}
    assert listing.ignored == [".hidden.png", "notes.txt"]
    assert listing.unused == ["unused.png"]


@pytest.mark.parametrize(
    ("masks", "pairs"),
    [
        ("", {"a.jpg": "a_mask.png", "face_mask.jpg": "face_mask_mask.png"}),
        ("hole.png", {"a.jpg": "hole.png", "b.jpg": "hole.png"}),  # one mask serves all
    ],
)
def test_masks_among_the_images_are_no_images(
    folders: Folders, masks: str, pairs: dict[str, str]
) -> None:
    touch(folders.images, *pairs, *pairs.values())

    listing = Listed(folders.images, folders.images / masks, folders.output)

    assert listing.pairs == [*pairs.items()]


def test_images_without_one_mask_or_an_own_output_are_skipped_with_the_reason(
    folders: Folders,
) -> None:
    images, masks = ["a.jpg", "b.jpg", "c.jpg", "c.png"], ["b.png", "b_mask.png", "c.png"]

    listing = folders.list(images, masks, ".webp")

    assert [job.output.name for job in listing.jobs] == ["c.webp"]
    assert listing.skipped == {
        "a.jpg": f"no mask a.* or a_mask.* in {folders.masks}",
        "b.jpg": "more than one mask: b.png, b_mask.png",
        "c.png": "its result would replace that of c.jpg",
    }


def test_folders_that_do_not_do_are_refused(folders: Folders) -> None:
    images, masks, output = folders.images, folders.masks, folders.output
    with pytest.raises(ContractError, match="must hold at least one; got none in"):
        Listed(images, masks, output)
    touch(images, "a.jpg")
    for other, results, message in (
        (masks / "absent", output, "masks must be an existing file or folder"),
        (masks, images, "results need a folder of their own"),
        (masks, masks, "results need a folder of their own"),
        (masks, output.with_suffix(".png"), "the output of a folder must be a folder"),
    ):
        with pytest.raises(ContractError, match=message):
            Listed(images, other, results)


def test_an_image_without_a_mask_takes_no_name_from_another(folders: Folders) -> None:
    images, masks = ["a.jpg", "a.png", "b.jpg"], ["b.png", "a_mask.png", "a.png"]

    assert folders.list(images, masks, ".webp").pairs == [("b.jpg", "b.png")]


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
    folders: Folders, image: str, mask: str
) -> None:
    assert folders.list([image], [mask]).pairs == [(image, mask)]


def test_a_mask_of_another_image_is_not_taken_for_a_name_in_another_case(folders: Folders) -> None:
    touch(folders.images, "A.jpg", "a.jpg")
    if len(list(folders.images.iterdir())) < 2:
        pytest.skip("this file system does not tell the case apart")

    listing = folders.list(["h.PNG", "h.png"], ["a.png", "h.bmp"])

    assert listing.pairs == [("a.jpg", "a.png"), ("h.PNG", "h.bmp"), ("h.png", "h.bmp")]
    assert listing.skipped == {"A.jpg": f"no mask A.* or A_mask.* in {folders.masks}"}


def test_results_that_differ_in_case_collide_where_the_file_system_folds_it(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_folds_case", lambda _: True)

    listing = folders.list(["A.jpg", "a.png"], ["A.bmp", "a_mask.bmp"], ".png")

    assert [job.output.name for job in listing.jobs] == ["A.png"]
    assert listing.skipped == {"a.png": "its result would replace that of A.jpg"}


@pytest.mark.parametrize("mask", ["cat_mask.png", "cat_mask1.png", "cat_mask001.png"])
def test_numbered_masks_among_the_images_are_masks(folders: Folders, mask: str) -> None:
    touch(folders.images, "cat.png", mask, "dog.png")

    listing = Listed(folders.images, folders.images, folders.output)

    assert listing.pairs == [("cat.png", mask)]
    assert listing.skipped == {"dog.png": f"no mask dog_mask.* in {folders.images}"}


def test_every_entry_is_a_job_or_named(folders: Folders) -> None:
    (folders.images / "gone.png").symlink_to("nowhere.png")
    (folders.images / "loop.png").symlink_to("loop.png")
    (folders.images / "sub").mkdir()
    os.mkfifo(folders.images / "pipe.png")

    listing = folders.list(
        ["a.jfif", "b.jpe", "c.pnm", "d.DIB", "e.apng", "raw.NEF", "p.psd", "._a.jpg"],
        ["a.png", "b.png", "c.png", "d.png", "e.png"],
    )

    assert [job.output.stem for job in listing.jobs] == ["a", "b", "c", "d", "e"]
    assert {job.output.suffix for job in listing.jobs} == {".png"}
    assert listing.skipped == {
        "gone.png": "it is a link to nowhere.png, which does not exist",
        "loop.png": "it is a link that leads in a circle",
        "p.psd": "the format .psd is not read; convert it",
        "raw.NEF": "the format .nef is not read; convert it",
    }
    assert listing.ignored == ["pipe.png"]
    assert listing.folders == ["sub"]


def test_sub_folders_are_entered_on_request_but_not_those_of_masks_and_results(
    tmp_path: Path,
) -> None:
    images, masks, output = tmp_path, tmp_path / "masks", tmp_path / "out"
    places = ["cat", "x/cat", "x/y/cat"]
    touch(images, *(f"{place}.jpg" for place in places))
    touch(masks, *(f"{place}.png" for place in places))
    touch(output, "cat.jpg")
    (images / "again").symlink_to(images, target_is_directory=True)

    listing = Listed(images, masks, output, recursive=True)

    assert listing.places(images, "image") == [f"{place}.jpg" for place in places]
    assert listing.places(masks, "mask") == [f"{place}.png" for place in places]
    assert listing.places(output, "output") == [f"{place}.jpg" for place in places]
    assert listing.folders == ["again"]


@pytest.mark.parametrize("name", ["caf\u00e9", "\ud55c", "\u1ead/\u00f6"])
def test_sub_folders_are_found_where_accents_are_encoded_in_another_way(
    folders: Folders, name: str
) -> None:
    other = unicodedata.normalize("NFD", name)

    (job,) = folders.list([f"{name}/a.jpg"], [f"{other}/a.png"], recursive=True).jobs

    assert job.mask == folders.masks / other / "a.png"
    assert job.output == folders.output / name / "a.jpg"


def test_one_mask_serves_sub_folders_as_well(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.png", "hole.png", "sub/a.png")

    listing = Listed(tmp_path / "in", tmp_path / "in/hole.png", tmp_path / "out", recursive=True)

    assert listing.places(tmp_path, "output") == ["out/a.png", "out/sub/a.png"]
