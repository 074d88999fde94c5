"""Laplace's equation by elimination: slow, and nothing in common with the multigrid solver."""

import numpy as np


def solve_densely(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Continue (H, W, C) values into a hole of (H, W); the (M, C) hole pixels in raster order."""
    height, width = hole.shape
    places = {(y, x): row for row, (y, x) in enumerate(np.argwhere(hole).tolist())}
    matrix = np.zeros((len(places), len(places)))
    force = np.zeros((len(places), values.shape[-1]))
    for (y, x), row in places.items():
        for beside in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= beside[0] < height and 0 <= beside[1] < width):
                continue
            matrix[row, row] += 1
            if beside in places:
                matrix[row, places[beside]] -= 1
            else:
                force[row] += values[beside]
    return np.linalg.solve(matrix, force)
