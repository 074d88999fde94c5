"""Cases are real photographs and masks, the same in every run."""

import numpy as np
import pytest
from csakit.benchmarks.latency.cases import make_cases
from csakit.benchmarks.latency.plan import Plan


def test_every_combination_is_a_case_once() -> None:
    cases = make_cases(Plan(sizes=(256, 512, 256), batches=(1, 2), holes=("center", "0.2")))

    assert [(case.size, case.batch, case.holes) for case in cases] == [
        (size, batch, holes)
        for size in (256, 512)
        for batch in (1, 2)
        for holes in ("center", "0.2")
    ]


def test_the_same_plan_gives_the_same_pixels() -> None:
    first = make_cases(Plan(batches=(2,), holes=("0.3",)))[0]
    second = make_cases(Plan(batches=(2,), holes=("0.3",)))[0]

    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.hole, second.hole)


def test_images_of_a_batch_differ_and_so_do_their_masks() -> None:
    (case,) = make_cases(Plan(batches=(5,), holes=("0.3",)))

    assert case.image.shape == (5, 3, 256, 256)
    assert case.hole.shape == (5, 1, 256, 256)
    for arrays, equal in ((case.image, (0, 4)), (case.hole, ())):  # four photographs, then again
        pairs = [(i, j) for i in range(5) for j in range(i) if np.array_equal(arrays[i], arrays[j])]
        assert pairs == ([(equal[1], equal[0])] if equal else [])


def test_photographs_are_never_zeros() -> None:
    (case,) = make_cases(Plan(batches=(4,), holes=("center",)))

    assert -1 <= case.image.min() < -0.9
    assert 0.9 < case.image.max() <= 1
    assert (case.image.std(axis=(1, 2, 3)) > 0.2).all()


@pytest.mark.parametrize("ratio", ["0", "0.1", "0.3", "0.6"])
def test_strokes_cover_the_stated_share_and_at_most_a_stroke_more(ratio: str) -> None:
    (case,) = make_cases(Plan(holes=(ratio,)))

    described = case.described()
    missing = case.hole.mean()
    assert set(np.unique(case.hole)) <= {0.0, 1.0}
    assert float(ratio) <= missing <= float(ratio) + (0.05 if float(ratio) else 0)
    assert described["hole_ratio"] == round(float(missing), 4)
    assert (described["feature_holes"] == 0) == (ratio == "0")


def test_the_centre_hole_is_the_published_one() -> None:
    (case,) = make_cases(Plan(batches=(2,), holes=("center",)))

    assert case.described() == {
        "size": 256,
        "batch": 2,
        "holes": "center",
        "hole_ratio": 0.2197,
        "feature_holes": 252.0,
    }
