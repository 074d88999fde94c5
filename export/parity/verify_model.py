"""Parity: an exported model against the torch model it came from, stage by stage.

Both run on the same real photographs. The stages are the rough result, the features that
enter CSA, the match index of each position, what leaves CSA, and the result. Limits and
their reasons: ``csakit.export.parity.limits``.
"""

from collections.abc import Iterable

from ...plugins.errors import ContractError
from ...train import CSAInpainter
from .cases import Case
from .compare import STAGES, compare_stage
from .probe import Probe, torch_stages
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
    """Refuse a model that cannot have come from a checkpoint, whatever their hashes are.

    Args:
        probe: the exported model.
        model: read from the checkpoint.

    Raises:
        ContractError: their attention differs.
    """
    if (probe.attention, probe.similarity) != (model.config.attention, model.config.similarity):
        raise ContractError(
            f"{probe.name} has {probe.attention} attention ({probe.similarity}); the checkpoint "
            f"has {model.config.attention} ({model.config.similarity})\n"
            "Compare a model with the checkpoint it was exported from."
        )
