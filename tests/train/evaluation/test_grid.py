"""Pictures side by side: every pixel where it belongs, and labels that are seen."""

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.evaluation.grid import Cell, draw_grid, of_hole, with_hole

SIZE = (40, 60)
GAP, LABEL = 4, 18  # px


def colour(*rgb: int) -> np.ndarray:
    return np.full((*SIZE, 3), rgb, dtype=np.uint8)


def test_pictures_lie_in_rows_and_columns() -> None:
    one, two, three = colour(250, 0, 0), colour(0, 250, 0), colour(0, 0, 250)

    sheet = draw_grid([[Cell(picture=one), Cell(picture=two)], [Cell(picture=three)]])

    height, width = SIZE
    assert sheet.shape == (2 * height + 3 * GAP, 2 * width + 3 * GAP, 3)
    assert sheet.dtype == np.uint8
    assert (sheet[GAP : GAP + height, GAP : GAP + width] == one).all()
    assert (sheet[GAP : GAP + height, 2 * GAP + width : -GAP] == two).all()
    assert (sheet[2 * GAP + height : -GAP, GAP : GAP + width] == three).all()
    assert (sheet[2 * GAP + height : -GAP, 2 * GAP + width :] == 255).all()


def test_a_label_takes_room_above_its_picture_and_only_in_its_row() -> None:
    cells = [Cell(picture=colour(9, 9, 9), label="truth"), Cell(picture=colour(9, 9, 9))]

    sheet = draw_grid([cells, [Cell(picture=colour(9, 9, 9))]])

    height, width = SIZE
    assert sheet.shape[0] == 2 * height + 3 * GAP + LABEL
    band = sheet[GAP : GAP + LABEL]
    assert (band[:, GAP : GAP + width] < 128).any()
    assert (band[:, 2 * GAP + width :] == 255).all()
    assert (sheet[GAP + LABEL : GAP + LABEL + height, GAP : GAP + width] == 9).all()


def test_a_long_label_stays_over_its_own_picture() -> None:
    cells = [Cell(picture=colour(0, 0, 0), label="w" * 100), Cell(picture=colour(0, 0, 0))]

    sheet = draw_grid([cells])

    assert (sheet[GAP : GAP + LABEL, GAP + SIZE[1] :] == 255).all()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [
            [
                Cell(picture=np.zeros((4, 4, 3), np.uint8)),
                Cell(picture=np.zeros((4, 5, 3), np.uint8)),
            ]
        ],
        [[Cell(picture=np.zeros((4, 4), np.uint8))]],
    ],
)
def test_no_picture_or_pictures_of_two_shapes_are_refused(rows: list[list[Cell]]) -> None:
    with pytest.raises(ContractError, match=r"pictures of one \(H, W, 3\)"):
        draw_grid(rows)


def test_the_hole_is_seen_and_the_rest_is_the_image() -> None:
    image = colour(1, 2, 3)
    hole = np.zeros(SIZE, dtype=bool)
    hole[10:30, 20:50] = True

    shown = with_hole(image, hole)

    assert (shown[~hole] == image[~hole]).all()
    assert {tuple(pixel) for pixel in shown[hole]} == {(120, 120, 120), (200, 200, 200)}


def test_a_mask_is_white_where_pixels_are_missing() -> None:
    hole = np.zeros(SIZE, dtype=bool)
    hole[3, 4] = True

    shown = of_hole(hole)

    assert shown.shape == (*SIZE, 3)
    assert shown.dtype == np.uint8
    assert (shown[3, 4] == 255).all()
    assert shown.sum() == 3 * 255
