"""Cases are the same every time, and files that are no case are refused."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from csakit.export.config import ExportConfig
from csakit.export.parity.cases import (
    BUNDLED,
    Case,
    export_cases,
    fitted,
    load_case,
    save_case,
    verify_cases,
)
from csakit.plugins.errors import ContractError
from PIL import Image

IMAGE = np.zeros((256, 512, 3), dtype=np.uint8)
HOLE = np.zeros((256, 512), dtype=bool)


def same(one: list[Case], other: list[Case]) -> bool:
    """Compare names and pixels."""
    return [(c.name, c.image.tobytes(), c.hole.tobytes()) for c in one] == [
        (c.name, c.image.tobytes(), c.hole.tobytes()) for c in other
    ]


@pytest.mark.parametrize("size", [None, (256, 256), (256, 512)], ids=str)
def test_the_cases_of_a_verification_are_the_same_every_time(
    size: tuple[int, int] | None,
) -> None:
    cases = list(verify_cases(size))

    assert same(cases, list(verify_cases(size)))
    assert len(cases) == 3 * len(BUNDLED) + (size is None)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.image.dtype == np.uint8
        assert case.image.shape == (*case.hole.shape, 3)
        assert 0 < case.hole.mean() < 1
    assert {case.hole.shape for case in cases} == ({size} if size else {(256, 256), (512, 256)})


@pytest.mark.parametrize("size", ["dynamic", 512])
def test_an_export_is_checked_on_cases_of_its_size(size: int | str) -> None:
    cases = export_cases(ExportConfig(size=size))

    assert same(cases, export_cases(ExportConfig(size=size)))
    shapes = [case.hole.shape for case in cases]
    assert shapes == [(512, 512)] * 3 if size == 512 else [(256, 256)] * 3 + [(512, 256)]


def test_an_image_of_the_right_size_is_left_as_it_is(rng: np.random.Generator) -> None:
    image = rng.integers(256, size=(256, 512, 3), dtype=np.uint8)

    np.testing.assert_array_equal(fitted(image, 256, 512), image)


def test_the_middle_of_a_large_image_is_cut_out_unscaled(rng: np.random.Generator) -> None:
    image = rng.integers(256, size=(300, 600, 3), dtype=np.uint8)

    np.testing.assert_array_equal(fitted(image, 256, 512), image[22:278, 44:556])


@pytest.mark.parametrize("shape", [(10, 10), (100, 600), (600, 100), (255, 511), (1, 7), (257, 1)])
def test_a_small_image_is_enlarged_until_it_covers(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, dtype=np.uint8)

    np.testing.assert_array_equal(fitted(image, 256, 512), np.full((256, 512, 3), 77))


def test_an_enlarged_image_keeps_its_proportions() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, 32:] = 255

    picture = fitted(image, 256, 512)

    assert (picture[:, :250] == 0).all()
    assert (picture[:, 262:] == 255).all()


def test_the_photographs_of_a_folder_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, grey in (("b.PNG", 20), ("a.jpg", 10), ("c.webp", 30)):
        Image.new("L", (300, 300), grey).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photograph")

    cases = list(verify_cases((256, 256), tmp_path))

    assert [case.name for case in cases[::3]] == ["a-centre", "b-centre", "c-centre"]
    assert [int(case.image[0, 0, 0]) for case in cases[::3]] == [10, 20, 30]


@pytest.mark.parametrize("kind", ["empty folder", "missing folder", "file"])
def test_a_folder_without_photographs_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty folder").mkdir()

    with pytest.raises(ContractError, match=rf"{kind} must be a folder of photographs \(\.png"):
        list(verify_cases((256, 256), tmp_path / kind))


def png(*, cut: int | None = None, flip: int | None = None) -> bytes:
    """Write a PNG file and damage it."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    if flip is not None:
        content[flip] ^= 0xFF
    return bytes(content[:cut])


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", png(cut=30), png(cut=2000), png(flip=12), png(flip=2000), png(flip=37)],
    ids=["empty", "text", "header only", "cut", "no header", "bad checksum", "no pixels"],
)
def test_a_broken_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)

    with pytest.raises(
        ContractError,
        match=r"broken\.png (is corrupt or truncated|must be an image|begins as a PNG)",
    ):
        list(verify_cases((256, 256), tmp_path))


def test_a_saved_case_is_read_again(tmp_path: Path) -> None:
    (case,) = (c for c in verify_cases((256, 256)) if c.name == "coffee-strokes")

    save_case(case, tmp_path / "coffee-strokes.npz")

    assert same([load_case(tmp_path / "coffee-strokes.npz")], [case])


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"image": IMAGE}, r"is not a saved case: .*hole"),
        ({"hole": HOLE}, r"is not a saved case: .*image"),
        ({"image": IMAGE.astype(np.float32), "hole": HOLE}, r"got float32 \(256, 512, 3\)"),
        ({"image": IMAGE, "hole": HOLE.astype(np.uint8)}, r"and uint8 \(256, 512\)"),
        ({"image": IMAGE[:, :256], "hole": HOLE}, r"got uint8 \(256, 256, 3\) and bool \(256, 512"),
        ({"image": IMAGE[:100], "hole": HOLE[:100]}, r"sides multiples of 256; got .*\(100, 512"),
        ({"image": IMAGE[:0], "hole": HOLE[:0]}, r"got uint8 \(0, 512, 3\)"),
        ({"image": IMAGE, "hole": HOLE[None]}, r"bool \(1, 256, 512\)"),
        ({"image": np.uint8(3), "hole": np.bool_(1)}, r"got uint8 \(\) and bool \(\)"),
        ({"image": np.array([{}]), "hole": HOLE}, r"is not a saved case: .*allow_pickle"),
    ],
)
def test_a_malformed_case_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], match: str
) -> None:
    np.savez(tmp_path / "case.npz", **arrays)

    with pytest.raises(ContractError, match=match):
        load_case(tmp_path / "case.npz")


def test_files_that_hold_no_arrays_are_refused(tmp_path: Path) -> None:
    save_case(Case(name="case", image=IMAGE, hole=HOLE), tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 0xFF
    np.save(tmp_path / "array.npy", IMAGE)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("image", "text")
    array, other = (tmp_path / "array.npy").read_bytes(), (tmp_path / "other.zip").read_bytes()

    for content in (b"", b"text", whole[:100], whole[:-9], bytes(flipped), array, other):
        (tmp_path / "case.npz").write_bytes(content)
        with pytest.raises(ContractError, match=r"case\.npz is not a saved case"):
            load_case(tmp_path / "case.npz")


def test_a_missing_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"cannot read .*none\.npz: No such file"):
        load_case(tmp_path / "none.npz")
