"""The forms of the operator that are timed beside each other: what each is, and what it takes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError
from .problems import Case, Problem

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A form made ready for one problem; nothing that a user does once is timed.

    Attributes:
        call: computes, or enqueues, the result.
        result: gives what was computed last, (B, C, S, S).
        times: that one call computes it.
    """

    call: Callable[[], object]
    result: Callable[[], Floats]
    times: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """One way to compute the operator.

    Attributes:
        name: for the command line and the record.
        what: it is, in words.
        prepare: makes it ready for a problem.
        refusal: says why it does not take a case; None if it takes it.
        on_gpu: it is timed by events too, and ``calls`` of one sample run back to back.
        calls: of one sample.
        storage: type of its result, if that is not the type of the case.
    """

    name: str
    what: str
    prepare: Callable[[Problem], Prepared]
    refusal: Callable[[Case], str | None] = lambda _: None
    on_gpu: bool = False
    calls: int = 1
    storage: str | None = None


# In the order of the tables. The names of those that need a GPU end in "cuda" or "graph".
HOST: Final = ("oracle", "python-loop", "torch", "ort")
GPU: Final = ("python-loop-cuda", "torch-cuda", "cuda", "cuda-graph")
NAMES: Final = (*HOST, *GPU)


def find_forms(names: Sequence[str], threads: int) -> list[Form]:
    """Open what the forms need.

    Args:
        names: of forms.
        threads: processor threads that torch and ONNX Runtime may use.

    Returns:
        The forms, in the order of ``NAMES``.

    Raises:
        ContractError: a name is unknown, or there are fewer than one thread.
        LibraryError: one of them needs a GPU, or libcsakit, and there is none.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise ContractError(f"rivals must be of {', '.join(NAMES)}; got {', '.join(unknown)!r}")
    if threads < 1:
        raise ContractError(f"threads must be at least 1; got {threads}")
    found: dict[str, Form] = {}
    if set(names) & {"oracle", "python-loop", "torch"}:
        from .host_forms import host_forms  # deferred, as below: each imports what may be missing

        found |= {form.name: form for form in host_forms(threads)}
    if "ort" in names:
        from .ort_form import ort_form

        found["ort"] = ort_form(threads)
    if set(names) & set(GPU):
        from .cuda_forms import cuda_forms

        found |= {form.name: form for form in cuda_forms(names)}
    return [found[name] for name in NAMES if name in names]
