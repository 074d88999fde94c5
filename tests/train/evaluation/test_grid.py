"""Pictures side by side: every pixel where it belongs, and labels that are seen."""

import numpy as np
from csakit.train.evaluation.grid import Cell, draw_grid, of_hole, with_hole

HEIGHT, WIDTH = 40, 60
GAP, LABEL = 4, 18  # px
DOWN = GAP + LABEL  # to the first picture


def cell(*colour: int, label: str = "") -> Cell:
    return Cell(picture=np.full((HEIGHT, WIDTH, 3), colour, dtype=np.uint8), label=label)


def test_pictures_lie_in_rows_and_columns_and_labels_above_them() -> None:
    one, two, three = cell(250, 0, 0, label="truth"), cell(0, 250, 0), cell(0, 0, 250)

    sheet = draw_grid([[one, two], [three]])

    assert sheet.shape == (2 * (HEIGHT + DOWN) + GAP, 2 * WIDTH + 3 * GAP, 3)
    assert sheet.dtype == np.uint8
    left, right = slice(GAP, GAP + WIDTH), slice(2 * GAP + WIDTH, -GAP)
    assert (sheet[DOWN : DOWN + HEIGHT, left] == one.picture).all()
    assert (sheet[DOWN : DOWN + HEIGHT, right] == two.picture).all()
    assert (sheet[-GAP - HEIGHT : -GAP, left] == three.picture).all()
    assert (sheet[-GAP - HEIGHT : -GAP, right] == 255).all()
    assert (sheet[GAP:DOWN, left] < 128).any()
    assert (sheet[GAP:DOWN, right] == 255).all()


def test_a_long_label_stays_over_its_own_picture() -> None:
    sheet = draw_grid([[cell(0, 0, 0, label="w" * 100), cell(0, 0, 0)]])

    assert (sheet[GAP:DOWN, GAP + WIDTH :] == 255).all()


def test_the_hole_is_seen_and_the_rest_is_the_image() -> None:
    image = cell(1, 2, 3).picture
    hole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    hole[10:30, 20:50] = True

    shown = with_hole(image, hole)

    assert (shown[~hole] == image[~hole]).all()
    assert {tuple(pixel) for pixel in shown[hole]} == {(120, 120, 120), (200, 200, 200)}


def test_a_mask_is_white_where_pixels_are_missing() -> None:
    hole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    hole[3, 4] = True

    shown = of_hole(hole)

    assert (shown.shape, shown.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert (shown[3, 4] == 255).all()
    assert shown.sum() == 3 * 255
