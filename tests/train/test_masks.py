"""Holes have the published geometry, or the drawn one, and a seed decides them."""

from collections.abc import Callable

import numpy as np
import pytest
from csakit.runtime.crops.regions import largest_square
from csakit.train.masks import (
    Hole,
    blob_hole,
    box_hole,
    centre_hole,
    freeform_hole,
    largest_hole,
    thin_hole,
)
from scipy.ndimage import distance_transform_edt


def test_the_centre_hole_of_256_is_rows_and_columns_68_to_187() -> None:
    hole = centre_hole(256, 256)

    rows, columns = np.nonzero(hole)
    assert hole.shape == (256, 256)
    assert hole.dtype == bool
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (68, 187, 68, 187)
    assert hole.sum() == 120 * 120


def test_the_centre_hole_of_a_wide_image_is_wide() -> None:
    hole = centre_hole(256, 512)

    rows, columns = np.nonzero(hole)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (68, 187, 132, 379)
    np.testing.assert_array_equal(hole, hole[::-1, ::-1])


@pytest.mark.parametrize(("height", "width"), [(256, 256), (64, 200), (17, 16), (1, 1)])
def test_a_box_is_one_rectangle_of_15_to_55_per_cent_of_each_side(
    rng: np.random.Generator, height: int, width: int
) -> None:
    for _ in range(20):
        hole = box_hole(height, width, rng)

        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        tall, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        assert hole.shape == (height, width)
        assert hole.sum() == tall * wide
        assert max(round(0.15 * height), 1) <= tall <= max(round(0.55 * height), 1)
        assert max(round(0.15 * width), 1) <= wide <= max(round(0.55 * width), 1)


def test_boxes_reach_every_edge(rng: np.random.Generator) -> None:
    boxes = np.stack([box_hole(32, 32, rng) for _ in range(400)])

    assert all(edge.any() for edge in (boxes[:, 0], boxes[:, -1], boxes[:, :, 0], boxes[:, :, -1]))
    assert (boxes.mean(axis=(1, 2)) < 1).all()


@pytest.mark.parametrize(("height", "width"), [(256, 256), (64, 200), (17, 16)])
@pytest.mark.parametrize("ratio", [(0.1, 0.4), (0.5, 0.5), (0.01, 0.02)])
def test_strokes_reach_the_wanted_share(
    rng: np.random.Generator, height: int, width: int, ratio: tuple[float, float]
) -> None:
    hole = freeform_hole(height, width, rng, ratio=ratio)

    assert hole.shape == (height, width)
    assert hole.dtype == bool
    assert ratio[0] <= hole.mean() < 1


@pytest.mark.parametrize("draw", [freeform_hole, thin_hole, blob_hole])
def test_drawn_holes_reach_their_share_and_follow_their_seed(draw: Callable[..., Hole]) -> None:
    holes = [draw(256, 256, np.random.default_rng(seed), ratio=(0.05, 0.2)) for seed in range(12)]

    assert all(0.05 <= hole.mean() < 0.35 for hole in holes)
    assert len({hole.tobytes() for hole in holes}) == len(holes)
    np.testing.assert_array_equal(
        holes[3], draw(256, 256, np.random.default_rng(3), ratio=(0.05, 0.2))
    )


def test_thin_holes_are_thinner_than_strokes(rng: np.random.Generator) -> None:
    def depth(hole: Hole) -> float:
        return float(np.percentile(distance_transform_edt(hole)[hole], 95))

    thin = np.median([depth(thin_hole(256, 256, rng)) for _ in range(12)])
    strokes = np.median([depth(freeform_hole(256, 256, rng)) for _ in range(12)])

    assert thin < 5 < strokes


def test_the_largest_trained_hole_is_that_of_the_largest_part() -> None:
    thin = {"kind": "thin", "ratio": [0.03, 0.3]}

    assert largest_hole(thin) == 8
    assert largest_hole({"kind": "mixture", "parts": [thin, {"kind": "box"}]}) == 140
    assert largest_hole({"kind": "folder", "path": "masks"}) is None
    assert largest_hole({}) is None


@pytest.mark.parametrize("kind", ["freeform", "blob"])
def test_single_marks_are_no_larger_than_stated(kind: str) -> None:
    draw = {"freeform": freeform_hole, "blob": blob_hole}[kind]
    first = (draw(256, 256, np.random.default_rng(seed), ratio=(1e-4, 2e-4)) for seed in range(40))

    largest = max(largest_square(hole) for hole in first)

    stated = largest_hole({"kind": kind})
    assert stated is not None
    assert 0.75 * stated <= largest <= 1.1 * stated
