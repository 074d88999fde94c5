"""A prediction meets the known pixels at the edge of the hole; these stay as they are."""

import numpy as np
import pytest
from csakit.runtime import Inpainter, InpaintOptions
from csakit.runtime.contract import META_PREDICTION
from csakit.runtime.crops.blend import RIM_PX, correct, with_rim
from helpers.laplace import solve_exactly

from ..conftest import RecordingSession, hole_of


def square_hole(side: int, hole: int) -> np.ndarray:
    start = (side - hole) // 2
    return hole_of((side, side), (start, start, hole, hole))


def thin_hole(photo: np.ndarray) -> np.ndarray:
    """A scratch from border to border, specks, and a letter's loop."""
    rows, columns = np.indices(photo.shape[:2])
    hole = np.abs(rows * 1.5 - columns) < 2
    hole[::37, ::41] = True
    hole[100:112, 300:312] = True
    hole[104:108, 304:308] = False
    return hole


@pytest.mark.parametrize("colour", [(0, 0, 0), (10, 200, 30)])
@pytest.mark.parametrize(
    ("kind", "size"),
    [("thin", None), ("thick", (256, 256)), ("corner", None)],
)
def test_a_constant_prediction_becomes_harmonic_interpolation(
    kind: str, size: tuple[int, int] | None, colour: tuple[int, ...], photo: np.ndarray
) -> None:
    hole = thin_hole(photo) if kind == "thin" else np.zeros(photo.shape[:2], dtype=bool)
    if kind == "thick":
        hole[120:150, 150:180] = True
    if kind == "corner":
        hole[:20, :30] = hole[-4:, 300:] = True

    result = Inpainter(RecordingSession(size, colour))(photo, hole)

    exact = solve_exactly(photo.astype(float), hole)
    assert np.abs(result[hole] - exact).max() <= 0.6  # half a level of rounding
    np.testing.assert_array_equal(result[~hole], photo[~hole])


def test_a_reduced_constant_prediction_becomes_harmonic_interpolation_as_well() -> None:
    rows, columns = np.indices((700, 900))
    plane = (rows / 7 + columns / 9)[..., None]
    image = np.repeat(np.rint(plane), 3, axis=2).astype(np.uint8)
    hole = hole_of((700, 900), (60, 70, 580, 760))

    result = Inpainter(RecordingSession((256, 256)))(image, hole)

    assert np.abs(result[hole] - plane[hole]).max() <= 1.2  # the rim and the result are rounded


@pytest.mark.parametrize("darker", [0, 30])
def test_what_the_network_predicts_is_kept_where_only_its_brightness_is_wrong(
    darker: int, photo: np.ndarray
) -> None:
    image = np.clip(photo[:, :300], 40, 200)
    hole = square_hole(300, 120)
    result = image - np.uint8(darker)

    correct(image, result, hole)

    np.testing.assert_array_equal(result[hole], image[hole])
    np.testing.assert_array_equal(result[~hole], image[~hole] - np.uint8(darker))


def test_a_feather_leaves_the_depth_to_the_network() -> None:
    image = np.full((256, 256, 3), 140, dtype=np.uint8)
    hole = square_hole(256, 100)

    result = Inpainter(RecordingSession(colour=(100,) * 3), InpaintOptions(blend="feather 16"))(
        image, hole
    )

    profile = result[128, 78:128, 0].astype(int)
    assert profile[0] == 140
    assert (np.diff(profile) <= 0).all()
    assert (profile[16:] == 100).all()


def test_the_network_gets_the_rim_only_when_the_result_is_blended() -> None:
    hole = square_hole(256, 64)
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    given = []
    for blend in ("none", "seamless", "feather 8"):
        session = RecordingSession()
        Inpainter(session, InpaintOptions(blend=blend))(image, hole)
        given.append(session.calls[0][1])

    np.testing.assert_array_equal(given[0], hole)
    for wide in given[1:]:
        assert wide[hole].all()
        assert wide[128].sum() == 64 + 2 * RIM_PX


def test_a_residual_prediction_meets_the_edge_without_a_rim(photo: np.ndarray) -> None:
    hole = hole_of(photo.shape, (100, 50, 4, 350))
    session = RecordingSession()
    session.metadata = {**session.metadata, META_PREDICTION: "residual"}

    result = Inpainter(session)(photo, hole)

    assert (result[hole] == session.colour).all()  # no error is seen, and nothing is corrected
    _, missing = session.calls[0]
    assert missing.sum(axis=0).max() == 4


@pytest.mark.parametrize(("blend", "step"), [("none", 90), ("seamless", 50), ("feather 20", 50)])
def test_a_reduced_residual_prediction_meets_the_edge_as_well(blend: str, step: int) -> None:
    """The network sees stripes of period 8 as their mean; harmonically they fade by 0.46 a row."""
    image = np.full((700, 900, 3), 10, dtype=np.uint8)
    image[:, np.arange(900) % 8 < 4] = 190
    hole = hole_of((700, 900), (60, 70, 580, 760))
    session = RecordingSession((256, 256), (100, 100, 100))
    session.metadata = {**session.metadata, META_PREDICTION: "residual"}

    result = Inpainter(session, InpaintOptions(blend=blend, texture=False))(image, hole)

    steps = np.abs(result[60, 200:700].astype(int) - image[59, 200:700])
    assert abs(steps.mean() - step) <= 5
    assert (result[250:450, 300:600] == 100).all()
    np.testing.assert_array_equal(result[~hole], image[~hole])


@pytest.mark.parametrize("blend", ["seamless", "feather 1", "feather 256"])
def test_a_rim_that_leaves_nothing_known_is_left_out(blend: str) -> None:
    hole = np.ones((6, 6), dtype=bool)
    hole[0, 0] = False
    image = np.zeros((6, 6, 3), dtype=np.uint8)

    result = Inpainter(RecordingSession(), InpaintOptions(blend=blend))(image, hole)

    assert with_rim(hole) is hole
    assert (result[hole] == (10, 200, 30)).all()
    assert (result[0, 0] == 0).all()


@pytest.mark.parametrize("kept", [np.s_[150, :], np.s_[:, 0], np.s_[299, 450]])
def test_a_hole_of_nearly_everything_is_filled(kept: object, photo: np.ndarray) -> None:
    hole = np.ones(photo.shape[:2], dtype=bool)
    hole[kept] = False
    marked = np.where(hole[..., None], np.uint8(255), photo)

    result = Inpainter(RecordingSession())(marked, hole)

    np.testing.assert_array_equal(result[~hole], photo[~hole])
    assert not (result[hole] == 255).all(axis=1).any()
