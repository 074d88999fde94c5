"""Cases of the operator; cases of one size share their features.

Letters: B images, C channels, S positions a side, N = S * S positions, K known, M holes.
"""

import dataclasses
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from ...plugins.abi import MAX_CHANNELS, MAX_POSITIONS
from ...plugins.errors import ContractError
from ...plugins.reference import unit
from ...plugins.spec import SIMILARITIES, Similarity
from ..inputs import feature_like

DtypeName = Literal["float32", "float16"]
DTYPES: Final[tuple[DtypeName, ...]] = get_args(DtypeName)

SEED: Final = 2019
# The best match leads the second by at least this share of its score. Sums of 512 products in
# float32 differ by 1e-6 with their order, so the match does not depend on the implementation.
LEAD: Final = 2e-5
_NUDGE: Final = 0.1  # share of the best match that is added to a hole with tied matches
_ROUNDS: Final = 20  # of nudging; one or two are enough for these features


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes and types of one call of the operator; holes is M, side is S."""

    holes: int
    batch: int = 1
    channels: int = 512
    side: int = 32
    dtype: DtypeName = "float32"
    similarity: Similarity = "projection"

    def __post_init__(self) -> None:
        """Refuse impossible sizes, and those that the kernels do not take."""
        for name, size in (("batch", self.batch), ("channels", self.channels)):
            if size < 1:
                raise ContractError(f"{name} must be at least 1; got {size}")
        if self.channels > MAX_CHANNELS or self.positions > MAX_POSITIONS or self.side < 1:
            raise ContractError(
                f"channels must be at most {MAX_CHANNELS} and side x side in 1..{MAX_POSITIONS}; "
                f"got {self.channels} channels and side {self.side}"
            )
        if not 0 <= self.holes <= self.positions:
            raise ContractError(
                f"holes must be in 0..{self.positions}, the positions of a {self.side}x{self.side} "
                f"map; got {self.holes}"
            )
        if self.dtype not in DTYPES or self.similarity not in SIMILARITIES:
            raise ContractError(
                f"dtype must be one of {DTYPES} and similarity one of {SIMILARITIES}; "
                f"got {self.dtype!r} and {self.similarity!r}"
            )

    @property
    def positions(self) -> int:
        """The number of positions, N."""
        return self.side**2

    @property
    def known(self) -> int:
        """The number of known positions of each image, K."""
        return self.positions - self.holes

    @property
    def is_identity(self) -> bool:
        """Whether nothing is filled: no hole, or nothing known to fill it from."""
        return self.holes == 0 or self.known == 0

    def __str__(self) -> str:
        """Return a description for messages."""
        return (
            f"{self.dtype} {self.similarity}, {self.batch} x {self.channels} channels, "
            f"{self.side}x{self.side}, {self.holes} holes"
        )


@dataclasses.dataclass(frozen=True)
class Problem:
    """Inputs of a case: features (B, C, S, S) of its type, hole (B, 1, S, S) float32."""

    case: Case
    features: npt.NDArray[Any]
    hole: npt.NDArray[np.float32]


def make_problem(case: Case) -> Problem:
    """Return random inputs of a fixed seed: feature-like, no near ties, connected holes."""
    rng = np.random.default_rng([SEED, case.batch, case.channels, case.side])
    drawn = feature_like(rng, case.batch, case.channels, case.side, case.side)
    features = drawn.astype(case.dtype)
    hole = np.zeros((case.batch, 1, case.side, case.side), dtype=np.float32)
    for index in range(case.batch):
        hole[index, 0] = _piece(case, index)
        if not case.is_identity:
            _separate(features[index], hole[index, 0] > 0)
    return Problem(case, features, hole)


def _piece(case: Case, index: int) -> npt.NDArray[np.bool_]:
    """Return an (S, S) mask of the M positions around an image's own centre; 225 are 15x15."""
    wander = np.random.default_rng([SEED, index]).integers(-case.side // 8, case.side // 8 + 1, 2)
    row, column = (case.side - 1) // 2 + (wander if index else np.zeros(2, dtype=np.int64))
    along = np.arange(case.side)
    distance = np.maximum(abs(along - row)[:, None], abs(along - column)[None])
    nearest = distance.ravel().argsort(kind="stable")[: case.holes]
    piece = np.zeros(case.positions, dtype=np.bool_)
    piece[nearest] = True
    return piece.reshape(case.side, case.side)


def _separate(features: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> None:
    """Move holes of a (C, S, S) image with tied matches towards the first match, in place."""
    rows = features.reshape(features.shape[0], -1)  # (C, N), a view
    tied, known = np.flatnonzero(hole), np.flatnonzero(~hole)  # at first any hole may be tied
    if known.size < 2:
        return
    keys = unit(rows[:, known].T.astype(np.float64))  # (K, C)
    for _ in range(_ROUNDS):
        scores = rows[:, tied].T.astype(np.float64) @ keys.T  # (tied, K)
        ranks, best = np.arange(tied.size), scores.argmax(axis=1)
        first = scores[ranks, best]
        scores[ranks, best] = -np.inf
        close = np.flatnonzero(first - scores.max(axis=1) < LEAD * np.abs(first))
        if close.size == 0:
            return
        tied = tied[close]
        moved = rows[:, tied] + _NUDGE * rows[:, known[best[close]]]
        rows[:, tied] = moved.astype(features.dtype)
    raise ContractError(
        f"the features must tell known positions apart; {tied.size} holes still have two equal "
        f"matches\nTake more channels: {features.shape[0]} are too few for {known.size} positions."
    )
