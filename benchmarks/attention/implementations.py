"""The measured implementations of the operator: names and protocol."""

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
    """An implementation set up for one problem; the set-up is not timed."""

    call: Callable[[], object]  # computes, or enqueues, the result
    result: Callable[[], Floats]  # returns what was computed last, (B, C, S, S)
    times: int = 1  # how often one call computes it


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One way to compute the operator."""

    name: str  # for the command line and the record
    description: str  # in words
    prepare: Callable[[Problem], Prepared]  # sets it up for a problem
    refusal: Callable[[Case], str | None] = lambda _: None  # why it does not take a case
    on_gpu: bool = False  # timed by events too, ``calls`` back to back in one sample
    calls: int = 1  # in one sample
    storage: str | None = None  # type of its result, if not the case's
