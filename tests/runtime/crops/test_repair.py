"""Parts of a repair are final when they come, share no pixel, and together are the repair."""

import itertools

import numpy as np
import pytest
from csakit.runtime import Inpainter, InpaintOptions

from ..conftest import RecordingSession


def spread_mask(shape: tuple[int, int]) -> np.ndarray:
    """Two specks that share a crop, one far away, and a line of several crops."""
    mask = np.zeros(shape, dtype=bool)
    mask[20:24, 20:24] = mask[60:66, 90:93] = True
    mask[500:520, 30:50] = True
    mask[300:303, 10:890] = True
    return mask


@pytest.mark.parametrize("blend", ["none", "seamless", "feather 5"])
def test_parts_make_up_the_repair_and_have_no_pixel_in_common(
    blend: str, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    mask = spread_mask(image.shape[:2])
    inpaint = Inpainter(RecordingSession(), InpaintOptions(blend=blend))
    result, times = image.copy(), np.zeros(mask.shape, int)

    repair = inpaint.parts(image, mask)
    parts = list(repair)

    for part in parts:
        result[part.window][part.hole] = part.pixels[part.hole]
        times[part.window] += part.hole
        np.testing.assert_array_equal(
            part.pixels[~part.hole], image[part.window][~part.hole], strict=True
        )
    assert len(repair) == len(parts) == 3
    np.testing.assert_array_equal(times, mask)
    np.testing.assert_array_equal(result, inpaint(image, mask))


def test_the_box_of_a_part_is_that_of_its_hole(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)

    boxes = [
        part.box for part in Inpainter(RecordingSession()).parts(image, spread_mask((600, 900)))
    ]

    assert sorted(boxes) == [(20, 20, 66, 93), (300, 10, 303, 890), (500, 30, 520, 50)]


def test_leaving_the_loop_stops_between_parts(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    session = RecordingSession()
    repair = Inpainter(session).parts(image, spread_mask((600, 900)))

    first = next(iter(repair))

    assert first.hole.any()
    assert 0 < len(session.calls) < repair.runs


def test_progress_counts_the_runs_and_may_end_them(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    session, told = RecordingSession(), []

    def progress(done: int, runs: int) -> None:
        told.append((done, runs))
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(Inpainter(session).parts(image, spread_mask((600, 900)), progress=progress))

    runs = told[0][1]
    assert told == [(0, runs), (1, runs), (2, runs)]
    assert len(session.calls) == 2


def test_nothing_runs_before_the_first_part(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    session = RecordingSession()

    repair = Inpainter(session).parts(image, spread_mask((600, 900)))

    assert repair.runs > len(repair)
    assert session.calls == []


def test_reduced_resolution_is_stated_as_data(photo: np.ndarray) -> None:
    mask = np.zeros(photo.shape[:2], dtype=bool)
    mask[5:295, 10:300] = True

    repair = Inpainter(RecordingSession()).parts(photo, mask)

    assert [notice.kind for notice in repair.notices] == ["reduced"]
    assert "1 of 1 holes" in repair.notices[0].text
    (part,) = repair
    assert 0.2 < part.scale == repair.scale < 0.6


def test_an_empty_mask_has_no_parts(photo: np.ndarray) -> None:
    repair = Inpainter(RecordingSession()).parts(photo, np.zeros(photo.shape[:2], dtype=bool))

    assert (len(repair), list(repair), repair.runs, repair.scale) == (0, [], 0, 1)
    assert [notice.kind for notice in repair.notices] == ["empty"]


def test_where_a_hole_lies_in_a_large_image_does_not_matter(rng: np.random.Generator) -> None:
    small = rng.integers(0, 256, (700, 700, 3), dtype=np.uint8)
    mask = np.zeros(small.shape[:2], dtype=bool)
    mask[300:340, 300:420] = mask[310:315, 250:450] = True
    whole = Inpainter(RecordingSession())
    expected = whole(small, mask)

    for top, left in itertools.product((0, 600), (0, 1300)):
        image = np.zeros((1300, 2000, 3), np.uint8)
        wide = np.zeros(image.shape[:2], dtype=bool)
        window = slice(top, top + 700), slice(left, left + 700)
        image[window], wide[window] = small, mask
        np.testing.assert_array_equal(whole(image, wide)[window], expected)
