"""Buckets are open below and closed above, as they were published."""

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data.buckets import BUCKETS, bounds, bucket_of, check_buckets


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


def test_bounds_are_those_in_the_names() -> None:
    assert [bounds(bucket) for bucket in BUCKETS] == [
        (pytest.approx(tenth / 10), pytest.approx((tenth + 1) / 10)) for tenth in range(6)
    ]


def test_buckets_are_put_in_order() -> None:
    assert check_buckets(["50-60", "0-10", "50-60"]) == ("0-10", "50-60")


@pytest.mark.parametrize(("asked", "got"), [(["10-20", "60-70", "x"], "60-70, x"), ([], "none")])
def test_unknown_buckets_are_refused(asked: list[str], got: str) -> None:
    with pytest.raises(ContractError, match=rf"among 0-10, .* \(per cent\); got {got}"):
        check_buckets(asked)
