"""Compare two runners tensor by tensor, and find the first that diverges.

A side passes or fails by its stages, under the limits of every other verification. The tensors
between them are compared on request, to find where it goes wrong.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import IOFormat, Precision
from ..graph.attention_function import MATCHES
from .cases import Case
from .compare import STAGES, compare_stage
from .polygraphy_runners import quiet
from .probe import Array, as_float, network_input
from .report import CaseParity, Report, StageParity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that are compared."""

    name: str  # for people
    io: IOFormat  # its form of images
    precision: Precision  # it computes in
    size: tuple[int, int] | None  # the one (H, W) it takes; None if it takes others
    batch: int = 1  # images it must be given at once; all of them the same
    stages: tuple[str, ...]  # that it can give
    runner: Callable[[Sequence[str]], Any]  # makes Polygraphy's runner that gives these tensors


def compare_stages(model: Side, reference: Side, cases: Iterable[Case]) -> Report:
    """Compare the stages that both sides have."""
    listed = list(cases)
    names: dict[str, str] = {s: s for s in STAGES if {s} <= {*model.stages} & {*reference.stages}}
    compared = _compare(model, reference, names, listed)
    results = [CaseParity(case=c, stages=s) for c, s in zip(listed, compared, strict=True)]
    return Report(precision=_coarser(model, reference), io=_io(model, reference), cases=(*results,))


def compare_tensors(
    model: Side, reference: Side, pairs: Mapping[str, str], case: Case
) -> tuple[StageParity, ...]:
    """Compare the float tensors of one case by pairs of names, in the model and the reference."""
    (compared,) = _compare(model, reference, pairs, [case])
    return compared


def reference_tensor(reference: Side, name: str, case: Case) -> Array:
    """Return one tensor of a side, as ``compare_stage`` takes it."""
    (outputs,) = _run(reference, [name], [case])[0][1]
    return _values(outputs[name], name, reference.io)


def _compare(
    model: Side, reference: Side, names: Mapping[str, str], cases: list[Case]
) -> list[tuple[StageParity, ...]]:
    """Run both sides, the reference first, and judge iteration by iteration."""
    from polygraphy.comparator import Comparator

    results = _run(reference, [*names.values()], cases)
    results.append(_run(model, [*names], cases)[0])
    found: list[tuple[StageParity, ...]] = []
    precision, io = _coarser(model, reference), _io(model, reference)

    def judge(theirs: Mapping[str, Array], ours: Mapping[str, Array]) -> dict[str, bool]:
        case, judged = cases[len(found)], []
        for name, other in names.items():
            if name not in ours:
                continue  # TensorRT's parser folded it away
            left = _values(theirs[other], name, reference.io)
            right = _values(ours[name], name, model.io)
            if name != MATCHES and (left.dtype.kind != "f" or left.shape != right.shape):
                continue  # an integer, or packed differently by one of the exports
            judged.append(compare_stage(name, left, right, case, precision=precision, io=io))
        found.append(tuple(judged))
        return {names[parity.stage]: parity.passed for parity in judged}

    with quiet("comparing"):
        Comparator.compare_accuracy(results, compare_func=judge)
    return found


def _run(side: Side, tensors: list[str], cases: list[Case]) -> Any:  # noqa: ANN401
    """Run all cases on one side."""
    from polygraphy.comparator import Comparator

    feeds = []
    for case in cases:
        if side.size not in (None, case.hole.shape):
            raise ContractError(
                f"{side.name} takes images of {side.size}; {case.name} has {case.hole.shape}"
            )
        image, hole = (np.repeat(x, side.batch, axis=0) for x in network_input(case, side.io))
        feeds.append({contract.IMAGE: image, contract.MASK: hole})
    with quiet(f"running {side.name}"):
        return Comparator.run([side.runner(tensors)], data_loader=feeds)


def _values(array: Array, name: str, io: IOFormat) -> Array:
    """Take one image of a stage; inner tensors stay as they are."""
    if name not in STAGES:
        return array
    return as_float(array[0]) if name == contract.OUTPUT and io == "uint8" else array[0]


def _coarser(model: Side, reference: Side) -> Precision:
    return "fp16" if "fp16" in (model.precision, reference.precision) else "fp32"


def _io(model: Side, reference: Side) -> IOFormat:
    return "uint8" if "uint8" in (model.io, reference.io) else "float"
