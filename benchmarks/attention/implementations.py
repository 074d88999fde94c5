"""What an implementation of the operator is to the benchmark, and which there are."""

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from .cases import Case, Problem

Floats = npt.NDArray[np.float32]

# In the order of the tables. The names of those that need a GPU end in "cuda" or "graph".
HOST: Final = ("oracle", "python-loop", "torch", "ort")
GPU: Final = ("python-loop-cuda", "torch-cuda", "cuda", "cuda-graph")
NAMES: Final = (*HOST, *GPU)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """An implementation ready for one problem; nothing that a user does once is timed.

    Attributes:
        call: computes, or enqueues, the result.
        result: returns what was computed last, (B, C, S, S).
        times: how often one call computes it.
    """

    call: Callable[[], object]
    result: Callable[[], Floats]
    times: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Implementation:
    """One way to compute the operator.

    Attributes:
        name: for the command line and the record.
        description: in words.
        prepare: makes it ready for a problem.
        refusal: returns why it does not take a case; None if it takes it.
        on_gpu: it is timed by events too, and ``calls`` of one sample run back to back.
        calls: of one sample.
        storage: type of its result, if that is not the type of the case.
    """

    name: str
    description: str
    prepare: Callable[[Problem], Prepared]
    refusal: Callable[[Case], str | None] = lambda _: None
    on_gpu: bool = False
    calls: int = 1
    storage: str | None = None
