"""The feather removes the step at the edge of a hole and fades out inside of it."""

import numpy as np
import pytest
from csakit.runtime import Inpainter, InpaintOptions
from csakit.runtime.crops.feather import RING_PX, blend, with_ring

from ..conftest import RecordingSession


def square_hole(side: int, hole: int) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    start = (side - hole) // 2
    mask[start : start + hole, start : start + hole] = True
    return mask


def test_a_constant_error_is_removed_at_the_edge_and_kept_in_the_depth() -> None:
    hole = square_hole(100, 60)
    truth = np.full((100, 100, 3), 140, dtype=np.uint8)
    prediction = np.full((100, 100, 3), 100, dtype=np.uint8)

    result = blend(truth, prediction, hole=hole, wide=with_ring(hole), feather=16)

    profile = result[50, 20:50, 0].astype(int)  # from the edge to the middle
    assert profile[0] == 140
    assert (np.diff(profile) <= 0).all()
    assert (profile[16:] == 100).all()


def test_the_correction_follows_the_error_along_the_edge() -> None:
    hole = square_hole(128, 64)
    columns = np.linspace(40, 200, 128).astype(np.uint8)
    truth = np.broadcast_to(columns[None, :, None], (128, 128, 3))
    prediction = np.full((128, 128, 3), 120, dtype=np.uint8)

    result = blend(truth, prediction, hole=hole, wide=with_ring(hole), feather=8)

    error = np.abs(result[32, 32:96].astype(int) - truth[32, 32:96])
    assert error.max() <= 12  # 80 without the correction


def test_a_perfect_prediction_is_not_touched(photo: np.ndarray) -> None:
    hole = np.zeros(photo.shape[:2], dtype=bool)
    hole[100:200, 100:300] = True

    result = blend(photo, photo, hole=hole, wide=with_ring(hole), feather=20)

    np.testing.assert_array_equal(result, photo)


def test_the_network_gets_the_ring_only_when_there_is_a_feather() -> None:
    hole = square_hole(256, 64)
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    given = []
    for feather in (0, 8):
        session = RecordingSession()
        Inpainter(session, InpaintOptions(feather=feather))(image, hole)
        given.append(session.calls[0][1])

    np.testing.assert_array_equal(given[0], hole)
    assert given[1][hole].all()
    assert given[1][128].sum() == 64 + 2 * RING_PX


@pytest.mark.parametrize("feather", [1, 256])
def test_a_ring_that_leaves_nothing_known_is_left_out(feather: int) -> None:
    hole = np.ones((6, 6), dtype=bool)
    hole[0, 0] = False
    image = np.zeros((6, 6, 3), dtype=np.uint8)

    result = Inpainter(RecordingSession(), InpaintOptions(feather=feather))(image, hole)

    assert (result[hole] == (10, 200, 30)).all()
