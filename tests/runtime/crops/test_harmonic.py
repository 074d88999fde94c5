"""The continuation is the solution of Laplace's equation, in holes of every shape and size."""

import numpy as np
import pytest
from csakit.runtime.crops.harmonic import HarmonicContinuation
from helpers.laplace import solve_exactly

SIZE = (40, 53)


def shapes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    rows, columns = np.indices(SIZE)
    box, line, point = (np.zeros(SIZE, dtype=bool) for _ in range(3))
    box[7:33, 9:40] = True
    line[:, 20] = point[11, 30] = True
    return {
        "one pixel": (rows == 3) & (columns == 4),
        "box": box,
        "corner": (rows < 25) & (columns < 30),
        "all but one row": rows != 17,
        "all but one column": ~line,
        "all but one pixel": ~point,
        "disc": (rows - 20) ** 2 + (columns - 25) ** 2 < 300,
        "chessboard": (rows + columns) % 2 == 0,
        "comb": (rows % 2 == 0) | (columns == 5),
        "grid of known pixels": (rows % 5 != 2) | (columns % 7 != 3),
        "half of the pixels": rng.random(SIZE) < 0.5,
        "most of the pixels": rng.random(SIZE) < 0.98,
    }


def continued(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    continuation = HarmonicContinuation(hole)
    rim = values.reshape(-1, values.shape[-1])[continuation.rim].astype(np.float32)
    return continuation.solve(rim)


@pytest.mark.parametrize("name", shapes())
def test_every_shape_is_solved_as_by_elimination(name: str, rng: np.random.Generator) -> None:
    hole = shapes()[name]
    values = rng.integers(-255, 256, (*SIZE, 3)).astype(np.float32)

    result = continued(values, hole)

    assert np.abs(result - solve_exactly(values, hole)).max() < 0.1


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_a_large_hole_continues_a_saddle_exactly(offset: int) -> None:
    rows, columns = np.indices((420, 620))
    saddle = ((columns - 300.0) ** 2 - (rows - 200.0) ** 2)[..., None] / 400
    hole = np.zeros(saddle.shape[:2], dtype=bool)
    hole[10 + offset : 410, 10 : 610 - offset] = True
    hole[200:230, 300:303] = False

    result = continued(saddle, hole)

    assert np.abs(result - saddle[hole]).max() < 0.1


def test_thin_and_thick_parts_are_solved_together() -> None:
    rows, columns = np.indices((500, 500))
    plane = (0.3 * rows + 0.2 * columns)[..., None]
    hole = (np.abs(rows - columns) < 2) & (rows > 0) & (columns > 0) & (rows < 499)
    hole |= (rows - 250) ** 2 + (columns - 250) ** 2 < 90**2
    hole[-1] = hole[:, -1] = False

    assert np.abs(continued(plane, hole) - plane[hole]).max() < 0.1


def test_a_channel_without_values_stays_without() -> None:
    hole = shapes()["box"]
    values = np.zeros((*SIZE, 3), dtype=np.float32)
    values[..., 1] = 100

    result = continued(values, hole)

    assert (result[:, [0, 2]] == 0).all()
    np.testing.assert_allclose(result[:, 1], 100, atol=0.1)
