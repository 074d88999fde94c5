"""Holes that are drawn are neither empty nor full, and as large as was asked."""

from collections import Counter

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data.mask_sources import (
    BUCKETS,
    FilteredHoles,
    MixedHoles,
    bucket_of,
    check_buckets,
    drawn_holes,
    freeform_buckets,
)
from csakit.train.data.protocols import describe


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

    kind = "folder"

    def __init__(self, *shares: float) -> None:
        self.shares = [*shares]

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        share = self.shares.pop(0) if len(self.shares) > 1 else self.shares[0]
        return np.arange(size)[:, None].repeat(size, axis=1) < share * size


def test_empty_and_full_holes_are_passed_over(rng: np.random.Generator) -> None:
    hole = FilteredHoles(Listed(0, 1, 1, 0, 0.25, 0.75), None).draw(16, rng)

    assert hole.mean() == 0.25


def test_holes_of_other_buckets_are_passed_over(rng: np.random.Generator) -> None:
    hole = FilteredHoles(Listed(0, 0.25, 0.75, 0.5625, 0.5), ["40-50"]).draw(16, rng)

    assert hole.mean() == 0.5


@pytest.mark.parametrize(
    ("share", "buckets", "wanted"),
    [(0.0, None, "neither empty nor full"), (0.9, ["0-10", "10-20"], "of 0-10, 10-20 %")],
)
def test_a_source_without_a_fitting_hole_is_refused(
    rng: np.random.Generator, share: float, buckets: list[str] | None, wanted: str
) -> None:
    with pytest.raises(ContractError, match=rf"{wanted}.*at 16 x 16.*\n.*invert them"):
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


@pytest.mark.parametrize("ratio", [(0, 0.5), (0.5, 0.4), (0.2, 1.0)])
def test_impossible_ratios_are_refused(ratio: tuple[float, float]) -> None:
    with pytest.raises(ContractError, match="0 < low <= high < 1"):
        drawn_holes("freeform", ratio)


@pytest.mark.parametrize("shares", [(0.25, 0.75), (1, 3)])
def test_parts_of_a_mixture_are_drawn_as_often_as_their_shares_say(
    rng: np.random.Generator, shares: tuple[float, float]
) -> None:
    mixture = MixedHoles([Listed(0.25), Listed(0.5)], shares)

    counts = Counter(float(mixture.draw(8, rng).mean()) for _ in range(200))

    assert {*counts} == {0.25, 0.5}
    assert 30 < counts[0.25] < 70  # 50 expected, standard deviation 6
    assert describe(mixture)["parts"][1] == {"share": 0.75, "kind": "Listed"}


def test_computed_holes_describe_themselves() -> None:
    assert describe(FilteredHoles(drawn_holes("freeform", (0.1, 0.4)), None)) == {
        "kind": "freeform",
        "ratio": [0.1, 0.4],
    }
    assert describe(FilteredHoles(freeform_buckets(["0-10"]), ["0-10"])) == {
        "kind": "freeform",
        "buckets": ["0-10"],
    }
