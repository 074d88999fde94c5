"""Parity of an exported model with the torch model it came from.

ONNX Runtime returns every stage (the rough result, CSA's input features, the match of each
position, CSA's output, the result); other backends and engines return the result alone.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import ComputePrecision
from ...runtime.sessions.session import Session
from ...train import CSAInpainter
from .cases import Case
from .compare import Stages, compare_cases
from .probe import Probe, as_float, network_input, torch_stages
from .report import Report


def verify_model(probe: Probe, model: CSAInpainter, cases: Iterable[Case]) -> Report:
    """Compare all stages of an exported model with its source; the report has the verdict."""
    require_same_architecture(probe, model)
    return compare_cases(
        lambda batch: map(probe.run, batch),
        lambda case: torch_stages(model, case, probe.io),
        cases,
        precision=probe.precision,
        io=probe.io,
    )


def verify_session(
    session: Session,
    precision: ComputePrecision,
    reference: Callable[[Case], Stages],
    cases: Iterable[Case],
    *,
    batch: int = 1,
) -> Report:
    """Compare the result of an open model or engine with that of its reference."""

    def run(batched: Sequence[Case]) -> list[Stages]:
        laid_out = (network_input(case, session.io) for case in batched)
        image, hole = (np.concatenate(arrays) for arrays in zip(*laid_out, strict=True))
        if session.io == "uint8":
            return [{contract.OUTPUT: as_float(one)} for one in session.run_uint8(image, hole)]
        return [{contract.OUTPUT: one} for one in session.run(image, hole)]

    return compare_cases(run, reference, cases, precision=precision, io=session.io, batch=batch)


def require_same_architecture(probe: Probe, model: CSAInpainter) -> None:
    """Refuse a model whose attention differs from the checkpoint's."""
    if (probe.attention, probe.similarity) != (model.config.attention, model.config.similarity):
        raise ContractError(
            f"{probe.name} has {probe.attention} attention ({probe.similarity}); the checkpoint "
            f"has {model.config.attention} ({model.config.similarity})\n"
            "Compare a model with the checkpoint it was exported from."
        )
