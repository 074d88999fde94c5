"""Laplace's equation by elimination: exact, and nothing in common with the multigrid solvers."""

import numpy as np
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve


def solve_exactly(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Continue (H, W, C) values into a hole of (H, W); the (M, C) hole pixels in raster order."""
    height, width = hole.shape
    places = {(y, x): row for row, (y, x) in enumerate(np.argwhere(hole).tolist())}
    entries: list[tuple[int, int, float]] = []
    force = np.zeros((len(places), values.shape[-1]))
    for (y, x), row in places.items():
        for beside in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= beside[0] < height and 0 <= beside[1] < width):
                continue
            entries.append((row, row, 1.0))
            if beside in places:
                entries.append((row, places[beside], -1.0))
            else:
                force[row] += values[beside]
    rows, columns, weights = zip(*entries, strict=True)
    return spsolve(csc_matrix((weights, (rows, columns))), force).reshape(force.shape)
