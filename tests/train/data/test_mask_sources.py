"""Holes are neither empty nor full, as large as asked; mask files are turned, cut and judged."""

import logging
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data.mask_sources import (
    BUCKETS,
    FilteredHoles,
    FolderMasks,
    MixedHoles,
    bucket_of,
    check_buckets,
    freeform_buckets,
)
from helpers.pictures import break_files, write_mask
from PIL import Image


@pytest.mark.parametrize(
    ("missing", "bucket"),
    [
        (0, None),
        (1, "0-10"),
        (100, "0-10"),
        (101, "10-20"),
        (200, "10-20"),
        (300, "20-30"),
        (301, "30-40"),
        (600, "50-60"),
        (601, None),
        (1000, None),
    ],
)
def test_a_ratio_on_a_bound_is_in_the_lower_bucket(missing: int, bucket: str | None) -> None:
    hole = (np.arange(1000) < missing).reshape(20, 50)

    assert bucket_of(hole) == bucket


def test_buckets_are_put_in_order() -> None:
    assert check_buckets(["50-60", "0-10", "50-60"]) == ("0-10", "50-60")


@pytest.mark.parametrize(("asked", "got"), [(["10-20", "60-70", "x"], "60-70, x"), ([], "none")])
def test_unknown_buckets_are_refused(asked: list[str], got: str) -> None:
    with pytest.raises(ContractError, match=rf"among 0-10, .* \(per cent\); got {got}"):
        check_buckets(asked)


class Listed:
    """Draws holes of the given shares of the rows, in turn."""

    def __init__(self, *shares: float) -> None:
        self.shares = [*shares]

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        share = self.shares.pop(0) if len(self.shares) > 1 else self.shares[0]
        return np.arange(size)[:, None].repeat(size, axis=1) < share * size

    def summary(self) -> dict[str, Any]:
        return {"kind": "listed"}


@pytest.mark.parametrize(
    ("shares", "buckets", "share"),
    [((0, 1, 1, 0, 0.25, 0.75), None, 0.25), ((0, 0.25, 0.75, 0.5625, 0.5), ["40-50"], 0.5)],
)
def test_empty_and_full_holes_and_those_of_other_buckets_are_passed_over(
    rng: np.random.Generator, shares: tuple[float, ...], buckets: list[str] | None, share: float
) -> None:
    assert FilteredHoles(Listed(*shares), buckets).draw(16, rng).mean() == share


@pytest.mark.parametrize(
    ("share", "buckets", "wanted"),
    [(0.0, None, "neither empty nor full"), (0.9, ["0-10", "10-20"], "of 0-10, 10-20 %")],
)
def test_a_source_without_a_fitting_hole_is_refused(
    rng: np.random.Generator, share: float, buckets: list[str] | None, wanted: str
) -> None:
    with pytest.raises(ContractError, match=rf"{wanted}.*at 16 x 16.*\n.*--mask-invert"):
        FilteredHoles(Listed(share), buckets).draw(16, rng)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_strokes_can_be_drawn_for_each_bucket(bucket: str, rng: np.random.Generator) -> None:
    source = FilteredHoles(freeform_buckets([bucket]), [bucket])

    holes = [source.draw(128, rng) for _ in range(8)]

    assert {bucket_of(hole) for hole in holes} == {bucket}
    assert len({hole.tobytes() for hole in holes}) == 8


def test_each_of_several_buckets_is_drawn(rng: np.random.Generator) -> None:
    source = FilteredHoles(freeform_buckets(BUCKETS), BUCKETS)

    counts = Counter(bucket_of(source.draw(64, rng)) for _ in range(120))

    assert min(counts[bucket] for bucket in BUCKETS) >= 5  # 20 expected


@pytest.mark.parametrize("shares", [(0.25, 0.75), (1, 3)])
def test_parts_of_a_mixture_are_drawn_as_often_as_their_shares_say(
    rng: np.random.Generator, shares: tuple[float, float]
) -> None:
    mixture = MixedHoles([Listed(0.25), Listed(0.5)], shares)

    counts = Counter(float(mixture.draw(8, rng).mean()) for _ in range(200))

    assert {*counts} == {0.25, 0.5}
    assert 30 < counts[0.25] < 70  # 50 expected, standard deviation 6
    assert mixture.summary()["parts"][1] == {"share": 0.75, "kind": "listed"}


QUARTER = np.arange(64)[:, None].repeat(64, axis=1) < 16


@pytest.mark.parametrize("side", [64, 512])
@pytest.mark.parametrize("invert", [False, True])
def test_without_augmentation_a_mask_is_scaled(
    tmp_path: Path, rng: np.random.Generator, side: int, invert: bool
) -> None:
    write_mask(tmp_path / "x.png", 0.25, side=side)

    hole = FolderMasks(tmp_path, invert=invert, augment=False).draw(64, rng)

    np.testing.assert_array_equal(hole, QUARTER ^ invert)


@pytest.mark.parametrize(
    ("suffix", "bits", "highest"),
    [
        ("png", np.uint8, 1),
        *((suffix, np.uint16, top) for suffix in ("png", "tif") for top in (1, 255, 65535)),
    ],
)
def test_masks_of_zeros_and_ones_and_of_16_bits_are_read(
    tmp_path: Path, rng: np.random.Generator, suffix: str, bits: type, highest: int
) -> None:
    Image.fromarray(np.eye(64, dtype=bits) * bits(highest)).save(tmp_path / f"x.{suffix}")

    hole = FolderMasks(tmp_path, augment=False).draw(64, rng)

    np.testing.assert_array_equal(hole, np.eye(64, dtype=bool))


def test_the_middle_of_a_wide_mask_is_taken(tmp_path: Path, rng: np.random.Generator) -> None:
    mask = np.zeros((64, 192), dtype=np.uint8)
    mask[:, 64:96] = 255
    Image.fromarray(mask).save(tmp_path / "x.png")

    hole = FolderMasks(tmp_path, augment=False).draw(64, rng)

    assert hole[:, :32].all()
    assert not hole[:, 32:].any()


def test_masks_are_mirrored_turned_and_cut(tmp_path: Path) -> None:
    mask = np.zeros((128, 128), dtype=np.uint8)
    mask[:64, :64] = 255  # one corner
    Image.fromarray(mask).save(tmp_path / "x.png")
    source = FolderMasks(tmp_path)

    holes = [source.draw(64, np.random.default_rng(seed)) for seed in range(60)]

    corners = {(h[0, 0], h[0, -1], h[-1, 0], h[-1, -1]) for h in holes}
    single = {corner for corner in corners if sum(corner) == 1}
    assert len(single) == 4
    shares = [hole.mean() for hole in holes]
    assert min(shares) < 0.2
    assert max(shares) > 0.35
    # Squares are 0.6 of the mask at least, and what is beyond the mask is known.
    assert max(shares) < (0.5 / 0.6) ** 2


def test_a_quarter_turn_keeps_edges_straight(tmp_path: Path) -> None:
    write_mask(tmp_path / "x.png", 0.5, side=128)
    source = FolderMasks(tmp_path)
    holes = [source.draw(64, np.random.default_rng(seed)) for seed in range(40)]

    rows = sum(bool((hole == hole[:, :1]).all()) for hole in holes)
    columns = sum(bool((hole == hole[:1]).all()) for hole in holes)

    assert rows > 4
    assert columns > 4
    assert rows + columns < 36  # others are turned by any angle


def test_the_generator_alone_decides(tmp_path: Path) -> None:
    for index in range(10):
        write_mask(tmp_path / f"{index}.png", 0.1 + index / 20)
    source = FolderMasks(tmp_path)
    copy = pickle.loads(pickle.dumps(source))

    for seed in range(5):
        one, other = (s.draw(64, np.random.default_rng(seed)) for s in (source, copy))
        np.testing.assert_array_equal(one, other)


def test_a_folder_of_broken_masks_is_refused(tmp_path: Path) -> None:
    break_files(tmp_path)

    with pytest.raises(ContractError, match=r"no mask could be read in .*truncated\.jpg"):
        FolderMasks(tmp_path)


@pytest.mark.parametrize("colour", [(0, 0, 0), (127, 127, 127), (128, 0, 0), (0, 0, 255)])
def test_a_folder_of_masks_that_mark_nothing_is_refused(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)

    with pytest.raises(ContractError, match="masks must mark something; none of 2 in"):
        FolderMasks(tmp_path)


def test_a_folder_without_masks_is_refused_with_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()

    with pytest.raises(ContractError, match=r"at least one; got none in .*\n.*\.png") as caught:
        FolderMasks(tmp_path)

    assert str(tmp_path) in str(caught.value)


def test_masks_that_look_inverted_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(3):
        write_mask(tmp_path / f"{index}.png", 0.75)

    with caplog.at_level(logging.WARNING):
        FolderMasks(tmp_path)
        FolderMasks(tmp_path, invert=True)

    assert len(caplog.records) == 1
    assert "75 % as missing on average; if inverted, use" in caplog.text


def test_only_a_few_masks_are_read_when_a_folder_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(100):
        write_mask(tmp_path / f"{index}.png", 0.3, side=16)
    read = []
    real = FolderMasks._read
    monkeypatch.setattr(FolderMasks, "_read", lambda self, i: read.append(i) or real(self, i))

    assert FolderMasks(tmp_path).summary()["masks"] == 100
    assert len(read) == 8
