"""Plans cover every hole pixel once, inside of its crop, with its margin, at the best scale."""

import logging

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.crops.plan import Plan, plan_crops
from csakit.runtime.options import STRATEGIES, InpaintOptions
from hypothesis import given, settings
from hypothesis import strategies as st


def hole_of(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A hole of (top, left, height, width) rectangles."""
    hole = np.zeros(shape, dtype=bool)
    for top, left, height, width in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


def check(plan: Plan, hole: np.ndarray) -> None:
    """Check what is true of every plan."""
    np.testing.assert_array_equal(plan.owner >= 0, hole)
    for index, crop in enumerate(plan.crops):
        inside = np.zeros_like(hole)
        inside[crop.window] = True
        assert inside.sum() == crop.part[0] * crop.part[1]  # within the image
        assert inside[plan.owner == index].all()
        assert (plan.owner == index).any()
        assert all(side % 256 == 0 for side in crop.network)
        assert all(s <= n for s, n in zip(crop.scaled, crop.network, strict=True))


box = st.tuples(st.integers(0, 899), st.integers(0, 899), st.integers(1, 700), st.integers(1, 700))


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.lists(box, min_size=1, max_size=8),
    st.sampled_from([None, (256, 256), (512, 256)]),
    st.sampled_from(STRATEGIES),
    st.integers(8, 300),
)
def test_every_hole_pixel_has_one_owner_whose_crop_contains_it(
    shape: tuple[int, int],
    boxes: list[tuple[int, int, int, int]],
    size: tuple[int, int] | None,
    strategy: str,
    margin: int,
) -> None:
    hole = hole_of(shape, (0, 0, 1, 1), *boxes)

    check(plan_crops(hole, InpaintOptions(strategy=strategy, margin=margin), size), hole)


def test_a_region_is_in_the_middle_of_its_crop_with_the_margin() -> None:
    plan = plan_crops(hole_of((1000, 1000), (500, 400, 128, 128)), InpaintOptions(), None)

    (crop,) = plan.crops
    assert (crop.top, crop.left, crop.part, crop.network) == (436, 336, (256, 256), (256, 256))


def test_a_larger_region_takes_a_larger_multiple_of_256_and_not_always_a_square() -> None:
    plan = plan_crops(hole_of((1000, 1000), (500, 400, 10, 200)), InpaintOptions(), None)

    assert [crop.network for crop in plan.crops] == [(256, 512)]


def test_the_border_of_the_image_needs_no_margin() -> None:
    plan = plan_crops(hole_of((256, 256), (20, 20, 200, 200)), InpaintOptions(), None)

    assert [crop.network for crop in plan.crops] == [(256, 256)]


def test_nearby_regions_share_a_crop_and_distant_ones_do_not() -> None:
    hole = hole_of(
        (900, 900), (100, 180, 9, 9), (150, 100, 9, 9), (160, 200, 9, 9), (800, 800, 9, 9)
    )

    plan = plan_crops(hole, InpaintOptions(), None)

    assert len(plan.crops) == 2
    assert len({plan.owner[104, 184], plan.owner[154, 104], plan.owner[164, 204]}) == 1


def test_a_small_region_beside_a_large_one_uses_its_room() -> None:
    hole = hole_of((900, 900), (300, 300, 260, 260), (330, 580, 9, 9))

    assert len(plan_crops(hole, InpaintOptions(), None).crops) == 1


def test_a_region_beyond_the_limit_is_scaled_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    hole = hole_of((2000, 2000), (100, 100, 200, 1200), (900, 900, 9, 9))

    plan = plan_crops(hole, InpaintOptions(max_side=512), None)

    large, small = plan.crops
    assert large.network == (256, 512)
    assert large.part == (664, 1328)  # 1200 and twice 64 in 512
    assert small.scaled == small.part == (256, 256)
    assert caplog.record_tuples == [
        (
            "csakit.runtime.crops.plan",
            logging.WARNING,
            "1 of 2 parts exceed what the network takes and are repaired at reduced resolution "
            "(39 %)",
        )
    ]


def test_a_fixed_size_is_always_used() -> None:
    hole = hole_of((900, 900), (100, 100, 400, 100), (800, 800, 5, 5))

    plan = plan_crops(hole, InpaintOptions(), (256, 256))

    assert [crop.network for crop in plan.crops] == [(256, 256)] * 2
    assert [crop.part for crop in plan.crops] == [(528, 528), (256, 256)]


def test_whole_pads_and_resize_scales() -> None:
    hole = hole_of((600, 900), (100, 100, 40, 40))

    (whole,) = plan_crops(hole, InpaintOptions(strategy="whole"), None).crops
    (scaled,) = plan_crops(hole, InpaintOptions(strategy="resize"), None).crops

    assert (whole.scaled, whole.network) == ((600, 900), (768, 1024))
    assert (scaled.scaled, scaled.network) == ((341, 512), (512, 512))


def test_whole_refuses_what_no_memory_holds_and_names_the_others() -> None:
    with pytest.raises(ContractError, match=r"got 4096 x 3072 after padding\n.*'crop'"):
        plan_crops(hole_of((3000, 4000), (0, 0, 1, 1)), InpaintOptions(strategy="whole"), None)
