"""Holes of a class look as its name says, and are the same for the same seed."""

import numpy as np
import pytest
from csakit.runtime.crops.regions import distance_to
from csakit.train.evaluation.hole_classes import HOLE_CLASSES, draw_hole

SIZES = ((256, 256), (512, 512))

# Radius of the thickest place, px; share of the image, both over ten seeds.
RANGES = {
    "scratches": ((1, 5), (0.002, 0.06)),
    "text": ((1, 5), (0.03, 0.12)),
    "dust": ((3, 10), (0.01, 0.05)),
    "spots": ((15, 40), (0.02, 0.1)),
    "strokes": ((5, 25), (0.002, 0.2)),
    "box96": ((48, 48), (0.1406, 0.1407)),
    "box160": ((80, 80), (0.3906, 0.3907)),
}


@pytest.mark.parametrize("name", HOLE_CLASSES)
def test_holes_have_the_thickness_and_share_of_their_class(name: str) -> None:
    (thin, thick), (low, high) = RANGES[name]
    for seed in range(10):
        hole = draw_hole(name, (256, 256), seed)

        assert hole.shape == (256, 256)
        assert thin <= distance_to(~hole, 100).max() <= thick
        assert low <= hole.mean() <= high


@pytest.mark.parametrize("name", HOLE_CLASSES)
def test_a_seed_draws_one_hole(name: str) -> None:
    first, again = (draw_hole(name, (448, 640), 3) for _ in range(2))

    np.testing.assert_array_equal(first, again)
    assert (first != draw_hole(name, (448, 640), 4)).any()


def test_larger_images_have_more_marks_of_the_same_size() -> None:
    share = [np.mean([draw_hole("dust", size, n).mean() for n in range(5)]) for size in SIZES]

    assert 0.8 < share[1] / share[0] < 1.25
