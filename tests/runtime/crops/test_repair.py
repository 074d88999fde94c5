"""Parts of a repair are final when they come, share no pixel, and together are the repair."""

import itertools

import numpy as np
import pytest
from csakit.runtime import Inpainter, InpaintOptions

from ..conftest import RecordingSession, hole_of

SHAPE = (600, 900)
# Two specks that share a crop, one far away, and a line of several crops.
MASK = hole_of(SHAPE, (20, 20, 4, 4), (60, 90, 6, 3), (500, 30, 20, 20), (300, 10, 3, 880))


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


@pytest.mark.parametrize("blend", ["none", "seamless", "feather 5"])
def test_parts_make_up_the_repair_and_have_no_pixel_in_common(
    blend: str, image: np.ndarray
) -> None:
    inpaint = Inpainter(RecordingSession(), InpaintOptions(blend=blend))
    result, times = image.copy(), np.zeros(SHAPE, int)

    repair = inpaint.parts(image, MASK)
    parts = list(repair)

    for part in parts:
        result[part.window][part.hole] = part.pixels[part.hole]
        times[part.window] += part.hole
        np.testing.assert_array_equal(
            part.pixels[~part.hole], image[part.window][~part.hole], strict=True
        )
    assert len(repair) == len(parts)
    assert sorted(part.box for part in parts) == [
        *((20, 20, 66, 93), (300, 10, 303, 890), (500, 30, 520, 50)),
    ]
    np.testing.assert_array_equal(times, MASK)
    np.testing.assert_array_equal(result, inpaint(image, MASK))


def test_nothing_runs_before_the_first_part_and_leaving_the_loop_stops(image: np.ndarray) -> None:
    session = RecordingSession()

    repair = Inpainter(session).parts(image, MASK)

    assert repair.runs > len(repair)
    assert session.calls == []
    assert next(iter(repair)).hole.any()
    assert 0 < len(session.calls) < repair.runs


def test_progress_counts_the_runs_and_may_end_them(image: np.ndarray) -> None:
    session, reported = RecordingSession(), []

    def progress(done: int, runs: int) -> None:
        reported.append((done, runs))
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(Inpainter(session).parts(image, MASK, progress=progress))

    runs = reported[0][1]
    assert reported == [(0, runs), (1, runs), (2, runs)]
    assert len(session.calls) == 2


def test_reduced_resolution_is_stated_as_data(photo: np.ndarray) -> None:
    mask = hole_of(photo.shape, (5, 10, 290, 290))

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
