"""Plans cover every hole pixel, at a scale where its hole has a size that was trained on."""

import logging

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.crops.plan import Plan, plan_crops
from csakit.runtime.options import STRATEGIES, InpaintOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from ..conftest import hole_of


def check(plan: Plan, hole: np.ndarray) -> None:
    """Check what is true of every plan."""
    labels = np.full(hole.shape, -1)
    top, left = plan.corner
    labels[top : top + plan.labels.shape[0], left : left + plan.labels.shape[1]] = plan.labels
    np.testing.assert_array_equal(labels >= 0, hole)
    covered = np.zeros_like(hole)
    for crop in plan.crops:
        inside = np.zeros_like(hole)
        inside[crop.window] = True
        assert inside.sum() == crop.part[0] * crop.part[1]  # within the image
        assert plan.predicted(crop).any()
        assert not hole[crop.window].all()
        covered[crop.window] |= plan.predicted(crop)
        assert all(side % 256 == 0 for side in crop.network)
        assert all(s <= n for s, n in zip(crop.scaled, crop.network, strict=True))
    np.testing.assert_array_equal(covered, hole)


box = st.tuples(st.integers(0, 899), st.integers(0, 899), st.integers(1, 700), st.integers(1, 700))


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.lists(box, min_size=1, max_size=8),
    st.sampled_from([None, (256, 256), (512, 256)]),
    st.sampled_from(STRATEGIES),
    st.integers(8, 300),
)
def test_every_hole_pixel_is_predicted_from_a_crop_with_known_pixels(
    shape: tuple[int, int],
    boxes: list[tuple[int, int, int, int]],
    size: tuple[int, int] | None,
    strategy: str,
    margin: int,
) -> None:
    hole = hole_of(shape, (0, 0, 1, 1), *boxes)
    hole[-1, -1] = False
    if not hole.any():
        return

    check(plan_crops(hole, InpaintOptions(strategy=strategy, margin=margin), size), hole)


def test_a_region_is_in_the_middle_of_its_crop() -> None:
    plan = plan_crops(hole_of((1000, 1000), (500, 400, 120, 100)), InpaintOptions(), None)

    (crop,) = plan.crops
    assert (crop.top, crop.left, crop.part, crop.network) == (432, 322, (256, 256), (256, 256))


def test_a_long_thin_region_is_cut_into_overlapping_crops_at_full_resolution() -> None:
    hole = hole_of((1000, 1400), (500, 30, 3, 1300))

    plan = plan_crops(hole, InpaintOptions(), None)

    assert {crop.part for crop in plan.crops} == {(256, 256)}
    lefts = sorted(crop.left for crop in plan.crops)
    assert (np.diff(lefts) <= 256 - 2 * InpaintOptions.margin).all()
    assert len(lefts) == 7


@pytest.mark.parametrize(("side", "trained"), [(160, 120), (900, 120), (160, 40)])
def test_a_region_is_scaled_to_the_largest_hole_that_was_trained_on(
    side: int, trained: int
) -> None:
    hole = hole_of((2000, 2000), (500, 400, side, side))

    (crop,) = plan_crops(hole, InpaintOptions(), None, trained).crops

    assert crop.scaled[0] / crop.part[0] == pytest.approx(trained / side, rel=0.01)
    assert crop.scaled == crop.network == (256, 256)


def test_the_thickness_of_a_region_decides_and_not_its_extent() -> None:
    hole = hole_of((1000, 1000), (100, 100, 800, 800)) & ~hole_of(
        (1000, 1000), (110, 110, 780, 780)
    )

    plan = plan_crops(hole, InpaintOptions(), None)

    assert all(crop.scaled == crop.part for crop in plan.crops)


def test_a_region_that_spans_the_image_sees_its_ends() -> None:
    hole = hole_of((100, 2000), (0, 300, 100, 900))

    (crop,) = plan_crops(hole, InpaintOptions(), None).crops

    assert crop.left < 300
    assert crop.left + crop.part[1] > 1200


def test_nearby_regions_share_a_crop_and_distant_ones_do_not() -> None:
    hole = hole_of(
        (900, 900), (100, 180, 9, 9), (150, 100, 9, 9), (160, 200, 9, 9), (800, 800, 9, 9)
    )

    plan = plan_crops(hole, InpaintOptions(), None)

    assert len(plan.crops) == 2
    assert [crop.regions.size for crop in plan.crops] == [3, 1]


def test_a_small_region_beside_a_long_one_uses_its_room() -> None:
    hole = hole_of((900, 900), (300, 300, 9, 150), (330, 380, 9, 9))

    assert len(plan_crops(hole, InpaintOptions(), None).crops) == 1


def test_a_reduced_region_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hole = hole_of((2000, 2000), (100, 100, 300, 1200), (900, 1900, 9, 9))

    plan_crops(hole, InpaintOptions(), None)

    assert caplog.record_tuples == [
        (
            "csakit.runtime.crops.plan",
            logging.INFO,
            "1 of 2 holes are larger than those the model was trained on: repaired at reduced "
            "resolution (40 %)",
        )
    ]


def test_a_fixed_size_is_always_used() -> None:
    hole = hole_of((900, 900), (100, 100, 100, 400), (800, 800, 5, 5))

    plan = plan_crops(hole, InpaintOptions(), (512, 256))

    assert {crop.network for crop in plan.crops} == {(512, 256)}


def test_whole_pads_and_resize_scales() -> None:
    hole = hole_of((600, 900), (100, 100, 40, 40))

    (whole,) = plan_crops(hole, InpaintOptions(strategy="whole"), None).crops
    (scaled,) = plan_crops(hole, InpaintOptions(strategy="resize"), None).crops

    assert (whole.scaled, whole.network) == ((600, 900), (768, 1024))
    assert (scaled.scaled, scaled.network) == ((341, 512), (512, 512))


def test_whole_refuses_what_no_memory_holds_and_names_the_others() -> None:
    with pytest.raises(ContractError, match=r"got 4096 x 3072 after padding\n.*'crop'"):
        plan_crops(hole_of((3000, 4000), (0, 0, 1, 1)), InpaintOptions(strategy="whole"), None)
