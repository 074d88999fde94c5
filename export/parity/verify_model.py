"""Parity: an exported model against the torch model it came from, stage by stage.

Both run on the same real photographs. The stages are the rough result, the features that
enter CSA, the match index of each position, what leaves CSA, and the result. Limits and
their reasons: ``csakit.export.parity.limits``. Only ONNX Runtime shows the stages inside; other
backends show the result alone, and may compute in less than the model's precision.
"""

from collections.abc import Iterable

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import ComputePrecision
from ...runtime.sessions.session import Session
from ...train import CSAInpainter
from .cases import Case
from .compare import STAGES, compare_stage
from .probe import Array, Probe, as_float, network_input, torch_stages
from .report import CaseParity, Report


def verify_model(probe: Probe, model: CSAInpainter, cases: Iterable[Case]) -> Report:
    """Compare an exported model with its source in ONNX Runtime on the CPU.

    Args:
        probe: the exported model.
        model: its source, float32, in eval mode.
        cases: what to compare on; sizes that the exported model takes.

    Returns:
        The report; a broken limit is no error here.

    Raises:
        ContractError: the model was not exported from this architecture, or does not take
            the size of a case.
    """
    require_same_architecture(probe, model)
    results = []
    for case in cases:
        reference, found = torch_stages(model, case, probe.io), probe.run(case)
        stages = [
            compare_stage(
                *(name, reference[name], found[name], case),
                precision=probe.precision,
                io=probe.io,
            )
            for name in STAGES
            if name in found
        ]
        results.append(CaseParity(case=case, stages=tuple(stages)))
    return Report(precision=probe.precision, io=probe.io, cases=tuple(results))


def require_same_architecture(probe: Probe, model: CSAInpainter) -> None:
    """Refuse a model that cannot have come from a checkpoint, whatever their hashes are."""
    if (probe.attention, probe.similarity) != (model.config.attention, model.config.similarity):
        raise ContractError(
            f"{probe.name} has {probe.attention} attention ({probe.similarity}); the checkpoint "
            f"has {model.config.attention} ({model.config.similarity})\n"
            "Compare a model with the checkpoint it was exported from."
        )


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
