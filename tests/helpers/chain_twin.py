"""The chain of the kernels in NumPy float32: in order, and all chunks at once.

A twin of solver.cuh and rounds.cuh in plugins/csrc/kernels for the projection, small enough to
read. Products are made in float64 and rounded once with the sum, as a fused multiply-add does.
"""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from csakit.plugins.reference import plans, unit
from csakit.plugins.spec import DENOMINATOR_MIN

Floats = npt.NDArray[np.float32]

CHUNK: Final = 32


def fma(a: Any, b: Any, c: Any) -> Any:  # noqa: ANN401
    """Return a b + c, rounded once."""
    return (np.float64(a) * np.float64(b) + np.float64(c)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Chain:
    """The holes of an image: (M, C) directions and matches, (M,) scores; all float32."""

    directions: Floats
    matches: Floats
    scores: Floats

    @property
    def chunks(self) -> int:
        return -(-len(self.scores) // CHUNK)

    def rows(self, chunk: int) -> slice:
        return slice(chunk * CHUNK, (chunk + 1) * CHUNK)

    def gram(self, chunk: int, distance: int) -> Floats:
        """Products of a chunk's matches (columns) with the holes of a chunk further on."""
        return self.directions[self.rows(chunk + distance)] @ self.matches[self.rows(chunk)].T


@dataclasses.dataclass
class Solved:
    """What a chunk leaves behind."""

    weights: Floats
    kept: np.float32
    next: Floats
    far: Floats


def chain_of(features: npt.NDArray[Any], hole: npt.NDArray[Any]) -> Chain:
    """Take the matches of the oracle, for one image."""
    (plan,) = plans(features, hole, "projection")
    x = features.reshape(features.shape[1], -1).T.astype(np.float64)
    directions, matches = unit(x[plan.holes]), x[plan.matches]
    return Chain(*(a.astype(np.float32) for a in (directions, matches, plan.scores)))


def solve(chain: Chain, chunk: int, start: Floats) -> Solved:
    """Solve a chunk, whose holes have these products with the vector before it."""
    now = start.copy()
    beyond = [np.zeros(len(chain.scores[chain.rows(chunk + d)]), np.float32) for d in (1, 2)]
    grams = [chain.gram(chunk, distance) for distance in range(3)]
    weights = np.zeros(len(now), np.float32)
    kept = np.float32(1)
    for j, score in enumerate(chain.scores[chain.rows(chunk)]):
        total = now[j] + score
        weights[j] = w = now[j] / total if abs(total) >= DENOMINATOR_MIN else np.float32(0)
        kept *= w
        now = fma(w, now - grams[0][:, j], grams[0][:, j])
        for values, gram in zip(beyond, grams[1:], strict=True):
            values[:] = fma(w, values, fma(-w, gram[:, j], gram[:, j]))
    return Solved(weights, kept, *beyond)


def start_of(one: Solved, two: Solved, dot: Any) -> Floats:  # noqa: ANN401
    """Start from the two chunks before, and from products with the vector before both."""
    holes = slice(len(one.next))
    far: Floats = fma(one.kept, fma(two.kept, dot, two.far[holes]), one.next)
    return far


def in_order(chain: Chain) -> Floats:
    """Return the weights, chunk after chunk."""
    solved = [_nothing(), _nothing()]
    vectors = [np.zeros(chain.matches.shape[1], np.float32)] * 3  # before chunks b - 2 to b
    for chunk in range(chain.chunks):
        dot = chain.directions[chain.rows(chunk)] @ vectors[-3]
        done = solve(chain, chunk, _start(chain, chunk, solved, dot))
        solved.append(done)
        vector = vectors[-1]
        for w, match in zip(done.weights, chain.matches[chain.rows(chunk)], strict=True):
            vector = fma(w, vector - match, match)
        vectors.append(vector)
    return np.concatenate([done.weights for done in solved[2:]])


def at_once(chain: Chain, guess: list[Floats]) -> tuple[Floats, int, bool]:
    """Return the weights, how many rounds there were, and whether the weights are proven."""
    starts, rounds = guess, 0
    while True:
        solved = [_nothing(), _nothing()]
        solved += [solve(chain, chunk, start) for chunk, start in enumerate(starts)]
        rounds += 1
        new = [_start(chain, c, solved[: c + 2], 0.0) for c in range(chain.chunks)]
        same = all(a.tobytes() == b.tobytes() for a, b in zip(new, starts, strict=True))
        starts = new
        if same:
            break
    lengths = np.linalg.norm(chain.matches.astype(np.float64), axis=1)
    bounds, proven = [0.0, 0.0, 0.0], True  # of the vectors before chunks b - 2 to b
    for chunk in range(chain.chunks):
        for sign in (-1.001, 1.001):
            other = _start(chain, chunk, solved[: chunk + 2], sign * bounds[-3])
            proven = proven and np.array_equal(other, starts[chunk])
        bound = bounds[-1]
        ours = zip(solved[chunk + 2].weights, lengths[chain.rows(chunk)], strict=True)
        for w, length in ours:
            bound = (abs(w) * bound + abs(1 - w) * length) * (1 + 1e-6) + 1e-6 * length
        bounds.append(bound)
    return np.concatenate([done.weights for done in solved[2:]]), rounds, proven


def _nothing() -> Solved:
    zeros = np.zeros(CHUNK, np.float32)
    return Solved(zeros[:0], np.float32(0), zeros, zeros)


def _start(chain: Chain, chunk: int, solved: list[Solved], dot: Any) -> Floats:  # noqa: ANN401
    one, two = solved[-1], solved[-2]
    count = len(chain.scores[chain.rows(chunk)])
    cut = dataclasses.replace(one, next=one.next[:count])
    return start_of(cut, two, dot)
