"""Parity of an exported model as the runtime runs it: its result, in a chosen backend.

``csakit.export.parity.verify_model`` looks inside a model in ONNX Runtime. Other backends show the
result alone, and where they compute in less than the model's precision, that is what counts.
"""

from collections.abc import Iterable

from ...runtime import contract
from ...runtime.contract import ComputePrecision
from ...runtime.sessions.session import Session
from ...train import CSAInpainter
from .cases import Case
from .compare import compare_stage
from .probe import Array, as_float, network_input, torch_stages
from .report import CaseParity, Report


def verify_session(
    session: Session, precision: ComputePrecision, model: CSAInpainter, cases: Iterable[Case]
) -> Report:
    """Compare the result of an open model with that of its source.

    Args:
        session: of the model.
        precision: that it computes the networks in.
        model: its source, float32, in eval mode.
        cases: what to compare on; sizes that the model takes.

    Returns:
        The report, of the stage "output"; a broken limit is no error here.

    Raises:
        ContractError: the model does not take the size of a case.
        EngineError: the model failed.
    """
    results = []
    for case in cases:
        expected = torch_stages(model, case, session.io)[contract.OUTPUT]
        stage = compare_stage(
            *(contract.OUTPUT, expected, _result(session, case), case),
            precision=precision,
            io=session.io,
        )
        results.append(CaseParity(case=case, stages=(stage,)))
    return Report(precision=precision, io=session.io, cases=tuple(results))


def _result(session: Session, case: Case) -> Array:
    """Run one case; return (3, H, W) in [-1, 1]."""
    image, hole = network_input(case, session.io)
    if session.io == "uint8":
        return as_float(session.run_uint8(image, hole)[0])
    result: Array = session.run(image, hole)[0]
    return result
