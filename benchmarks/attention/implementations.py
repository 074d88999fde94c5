"""The implementations of the operator that are measured, and their protocol."""

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
    """An implementation ready for one problem; nothing that a user does once is timed."""

    call: Callable[[], object]  # computes, or enqueues, the result
    result: Callable[[], Floats]  # returns what was computed last, (B, C, S, S)
    times: int = 1  # how often one call computes it


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One way to compute the operator."""

    name: str  # for the command line and the record
    description: str  # in words
    prepare: Callable[[Problem], Prepared]  # makes it ready for a problem
    refusal: Callable[[Case], str | None] = lambda _: None  # why it does not take a case
    on_gpu: bool = False  # it is timed by events too, and ``calls`` of one sample run back to back
    calls: int = 1  # of one sample
    storage: str | None = None  # type of its result, if that is not the type of the case
