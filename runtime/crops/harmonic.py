"""Laplace's equation in a hole of any shape: each missing pixel is the mean of its neighbours.

Letters: M hole pixels, E edges between a hole pixel and a known one, n unknowns of a level.

Known pixels are held; nothing lies beyond the border of the picture. Solved by conjugate gradients
with a multigrid cycle over ever coarser holes as preconditioner (Briggs, Henson, McCormick, "A
Multigrid Tutorial", 2000), in memory that grows with the hole and not with the picture.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..tensors.pixels import Bool, Float32

Index = npt.NDArray[np.intp]

_CHANNELS: Final = 4  # of 4 bytes: NumPy gathers rows of 16 bytes at once, as complex numbers
_BLOCK: Final = 8192  # rows; a step of a sweep then stays in the second-level cache
_DENSE_MAX: Final = 32  # unknowns of the coarsest level, whose matrix is inverted
_ITERATIONS_MAX: Final = 40  # 3 or 4 are usual, whatever the size and shape of the hole
_LAST_CORRECTION: Final = 0.2  # grey levels; the remaining error is a quarter of it or less


class HarmonicContinuation:
    """Solver for one hole and any values of the known pixels around it."""

    def __init__(self, hole: Bool) -> None:
        """Build the multigrid levels of a hole (H, W), neither empty nor full."""
        level = _Level(hole)
        # rim: (E,) flat indices of known pixels, repeated for each hole pixel they touch.
        self._inner, self.rim = level.edges(hole.shape)
        held = np.bincount(self._inner, minlength=level.unknowns)
        level.hold(held)
        self._levels = [level]
        while level.unknowns > _DENSE_MAX:
            hole = _halve(hole)
            finer, level = level, _Level(hole)
            held = np.bincount(finer.descend_to(level), held, level.unknowns)
            level.hold(held)
            self._levels.append(level)
        self._inverse = level.dense_inverse()

    def solve(self, values: Float32) -> Float32:
        """Continue values (E, C <= 4) of pixels on the rim into the hole: (M, C), within 0.1."""
        level = self._levels[0]
        force = level.zeros()
        for channel, column in enumerate(values.T):
            force[:-1, channel] = np.bincount(self._inner, column, level.unknowns)
        solution: Float32 = self._iterate(force)[level.raster, : values.shape[1]]
        return solution

    def _iterate(self, force: Float32) -> Float32:
        """Run conjugate gradients on the black pixels; the red ones follow from them."""
        level, black = self._levels[0], self._levels[0].black
        solution = self._first_guess(force)
        level.relax(solution, force, level.red)
        residual, direction = force, level.zeros()
        residual[black] -= level.product(solution, black)
        residual[level.red] = 0
        energy = np.ones(_CHANNELS, np.float32)
        for _ in range(_ITERATIONS_MAX):
            correction = self._cycle(0, residual)
            if max(correction.max(), -correction.min()) < _LAST_CORRECTION:
                solution += correction
                break
            before, energy = energy, _dots(residual[black], correction[black])
            direction *= _ratio(energy, before)
            direction += correction
            product = level.product(direction, black)
            step = _ratio(energy, _dots(direction[black], product))
            product *= step
            residual[black] -= product
            np.multiply(direction, step, out=correction)
            solution += correction
        return solution

    def _first_guess(self, force: Float32) -> Float32:
        """Solve from the coarsest level to the finest, each from the one before."""
        forces = [force]
        for level in self._levels[:-1]:
            forces.append(level.restrict(forces[-1], range(4)))
        guess = self._cycle(len(forces) - 1, forces[-1])
        for depth in range(len(forces) - 2, -1, -1):
            level = self._levels[depth]
            guess = level.prolong(guess, slice(level.unknowns))
            if depth:
                rest = forces[depth]
                rest[:-1] -= level.product(guess, slice(level.unknowns))
                guess += self._cycle(depth, rest)
        return guess

    def _cycle(self, depth: int, force: Float32, *, twice: bool = True) -> Float32:
        """Solve one level roughly; the next level twice, for the same rate in holes of any size."""
        level = self._levels[depth]
        solution = level.zeros()
        if depth == len(self._levels) - 1:
            np.matmul(self._inverse, force[:-1], out=solution[:-1])
            return solution
        red, black = level.red, level.black
        np.multiply(force[red], level.inverse[red], out=solution[red])
        level.relax(solution, force, black)
        rest = level.zeros(red)  # the residual; 0 on black pixels
        np.subtract(force[red], level.product(solution, red), out=rest[:-1])
        coarse_force = level.restrict(rest, (0, 3))
        del rest
        coarse = self._cycle(depth + 1, coarse_force, twice=twice)
        if twice:
            below = self._levels[depth + 1]
            coarse_force[:-1] -= below.product(coarse, slice(below.unknowns))
            coarse += self._cycle(depth + 1, coarse_force, twice=False)
        solution[red] += level.prolong(coarse, red)[:-1]
        level.relax(solution, force, black)
        level.relax(solution, force, red)
        return solution


class _Level:
    """The hole at one resolution; a coarse cell is missing if any of its four pixels is."""

    # Pixels are coloured as a chessboard, so that all neighbours of a red one are black. Vectors
    # are (n + 1, 4): the red pixels, the black ones, and 0 for neighbours that are no unknowns.

    def __init__(self, hole: Bool) -> None:
        frame = np.pad(hole, 1).reshape(-1)
        self._stride = hole.shape[1] + 2
        places = np.flatnonzero(frame)
        black = (places // self._stride + places % self._stride) % 2 == 1
        self._places = np.concatenate([places[~black], places[black]])
        self.unknowns = places.size  # n
        reds = places.size - int(np.count_nonzero(black))
        self.red, self.black = slice(reds), slice(reds, places.size)
        # Never filled: pages without hole pixels take no memory.
        self._ranks = np.empty(frame.size, np.int32)
        self._ranks[self._places] = np.arange(places.size, dtype=np.int32)
        self.raster = self._ranks[places]  # (n,) where vectors hold the pixels in raster order
        self._neighbours: list[Index] = []
        for step in (-self._stride, self._stride, -1, 1):
            beside = self._places + step
            neighbour = np.where(frame[beside], self._ranks[beside], places.size)
            self._neighbours.append(neighbour.astype(np.intp))

    def edges(self, size: tuple[int, ...]) -> tuple[Index, Index]:
        """Return the edges, (E,) each: hole pixels, and flat indices of their known neighbours."""
        height, width = size
        rows, columns = np.divmod(self._places, self._stride)
        inner, outer = [], []
        for neighbour, (down, right) in zip(
            self._neighbours, ((-1, 0), (1, 0), (0, -1), (0, 1)), strict=True
        ):
            known = np.flatnonzero(neighbour == self.unknowns)
            y, x = rows[known] + (down - 1), columns[known] + (right - 1)
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            inner.append(known[inside])
            outer.append((y * width + x)[inside])
        return np.concatenate(inner), np.concatenate(outer)

    def hold(self, held: npt.NDArray[Any]) -> None:
        """Complete the diagonal by the number of known neighbours of each unknown, (n,)."""
        diagonal = held.astype(np.float32)
        for neighbour in self._neighbours:
            diagonal += neighbour < self.unknowns
        self.inverse: Float32 = np.repeat(1 / diagonal[:, None], _CHANNELS, axis=1)  # (n, 4)

    def descend_to(self, coarser: "_Level") -> Index:
        """Return the coarse cell of each pixel, (n,); store the cells and their four pixels."""
        rows, columns = np.divmod(self._places, self._stride)
        cells = (rows + 1) // 2 * coarser._stride + (columns + 1) // 2
        parents: Index = coarser._ranks[cells].astype(np.intp)
        self._children = np.full((4, coarser.unknowns), self.unknowns)
        quarters = (rows + 1) % 2 * 2 + (columns + 1) % 2
        self._children[quarters, parents] = np.arange(self.unknowns)
        self._parents = parents
        del self._places, self._ranks
        return parents

    def zeros(self, part: slice | None = None) -> Float32:
        """Return a zero vector for all pixels or one part of them, and the trailing 0."""
        size = self.unknowns if part is None else part.stop - (part.start or 0)
        return np.zeros((size + 1, _CHANNELS), np.float32)

    def prolong(self, coarse: Float32, part: slice) -> Float32:
        """Copy the value of each cell to its pixels in one part."""
        fine = self.zeros(part)
        np.take(_numbers(coarse), self._parents[part], out=_numbers(fine)[:-1], mode="clip")
        return fine

    def restrict(self, fine: Float32, quarters: Sequence[int]) -> Float32:
        """Add up the values of each cell's pixels in these quarters; 0 and 3 are red.

        A cell without a pixel in a quarter takes the trailing 0. Coarse couplings stay 1 where
        the Galerkin product has 2: that makes up for the stiffness of constant pieces (Braess,
        "Towards algebraic multigrid for elliptic problems of second order", Computing 55, 1995).
        """
        total = np.zeros((self._children.shape[1] + 1, _CHANNELS), np.float32)
        term = np.empty_like(total[:-1])
        for quarter in quarters:
            np.take(_numbers(fine), self._children[quarter], out=_numbers(term), mode="clip")
            total[:-1] += term
        return total

    def product(self, vector: Float32, part: slice) -> Float32:
        """Multiply the rows of the matrix of one part of the pixels by a vector, (part, 4)."""
        result: Float32 = vector[part] / self.inverse[part]
        for rows, total in self._neighbour_sums(vector, part):
            result[rows.start - (part.start or 0) :][: total.shape[0]] -= total
        return result

    def relax(self, solution: Float32, force: Float32, part: slice) -> None:
        """Solve the equations of one colour for its pixels."""
        for rows, total in self._neighbour_sums(solution, part):
            total += force[rows]
            np.multiply(total, self.inverse[rows], out=solution[rows])

    def dense_inverse(self) -> Float32:
        """Return the inverse of the matrix, (n, n)."""
        matrix = np.diag(1 / self.inverse[:, 0].astype(np.float64))
        for neighbour in self._neighbours:
            rows = np.flatnonzero(neighbour < self.unknowns)
            matrix[rows, neighbour[rows]] = -1
        inverse: Float32 = np.linalg.inv(matrix).astype(np.float32)
        return inverse

    def _neighbour_sums(self, vector: Float32, part: slice) -> Iterator[tuple[slice, Float32]]:
        """Yield blocks of a part with the sums over neighbours, in a buffer that is reused."""
        total = np.empty((_BLOCK, _CHANNELS), np.float32)
        term = np.empty_like(total)
        for start in range(part.start or 0, part.stop, _BLOCK):
            rows = slice(start, min(start + _BLOCK, part.stop))
            sums, terms = total[: rows.stop - start], term[: rows.stop - start]
            first, *others = self._neighbours
            np.take(_numbers(vector), first[rows], out=_numbers(sums), mode="clip")
            for neighbour in others:
                np.take(_numbers(vector), neighbour[rows], out=_numbers(terms), mode="clip")
                sums += terms
            yield rows, sums


def _halve(hole: Bool) -> Bool:
    """Mark the cells of 2 x 2 pixels in which any is missing."""
    rows = hole[::2].copy()
    rows[: hole.shape[0] // 2] |= hole[1::2]
    cells: Bool = rows[:, ::2].copy()
    cells[:, : hole.shape[1] // 2] |= rows[:, 1::2]
    return cells


def _numbers(vector: Float32) -> npt.NDArray[np.complex128]:
    """View rows as 16-byte numbers, which NumPy moves at once."""
    return vector.view(np.complex128)[:, 0]


def _dots(a: Float32, b: Float32) -> Float32:
    return np.array([a[:, c] @ b[:, c] for c in range(_CHANNELS)], np.float32)


def _ratio(a: Float32, b: Float32) -> Float32:
    """Divide; 0 where a channel is solved exactly."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
