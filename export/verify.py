"""Parity: an exported model against the torch model it came from, stage by stage.

Letters: C channels, N feature positions, H W sides in pixels.

Both run on the same real photographs. The stages are the rough result, the features that
enter CSA, the match index of each position, what leaves CSA, and the result. Limits and
their reasons: ``csakit.export.limits``.
"""

import dataclasses
from collections.abc import Iterable
from typing import Final

import numpy as np

from ..plugins.errors import ContractError
from ..runtime import contract
from ..train import CSAInpainter
from ..train.evaluation.metrics import hole_psnr, hole_ssim
from .attention_function import MATCHES
from .cases import Case
from .limits import BYTE_PSNR_DB, BYTE_STEP, LIMITS
from .probe import Array, Probe, as_float, torch_stages
from .report import CaseParity, Report, StageParity

_ORDER: Final = ("rough", "features", MATCHES, "attended", contract.RESULT)  # as computed
_IMAGES: Final = ("rough", contract.RESULT)  # stages that are images; the others are features


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
    if (probe.attention, probe.similarity) != (model.config.attention, model.config.similarity):
        raise ContractError(
            f"{probe.name} has {probe.attention} attention ({probe.similarity}); the checkpoint "
            f"has {model.config.attention} ({model.config.similarity})\n"
            "Compare a model with the checkpoint it was exported from."
        )
    results = []
    for case in cases:
        reference, found = torch_stages(model, case, probe.io), probe.run(case)
        stages = [
            _compare(name, reference[name], found[name], case, probe)
            for name in _ORDER
            if name in found
        ]
        results.append(CaseParity(case=case, stages=tuple(stages)))
    return Report(precision=probe.precision, io=probe.io, cases=tuple(results))


def _compare(name: str, reference: Array, found: Array, case: Case, probe: Probe) -> StageParity:
    if name == MATCHES:
        return _judged(_compare_matches(reference, found), probe)
    difference = np.abs(reference.astype(np.float64) - found)
    scale = max(np.abs(reference).max(), 1e-12)
    image = name in _IMAGES
    known = as_float(case.image)[:, ~case.hole]
    parity = StageParity(
        stage=name,
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        max_relative=float(difference.max() / scale),
        mean_relative=float(difference.mean() / scale),
        psnr_db=hole_psnr(found, reference, case.hole) if image else None,
        ssim=hole_ssim(found, reference, case.hole) if image else None,
        finite=bool(np.isfinite(found).all()),
        outside_equal=bool((found[:, ~case.hole] == known).all())
        if name == contract.RESULT
        else None,
    )
    return _judged(parity, probe)


def _compare_matches(reference: Array, found: Array) -> StageParity:
    """Compare (N,) match indices over the positions that are filled in either."""
    itself = np.arange(reference.size)
    filled = (reference != itself) | (found != itself)
    equal = float((reference == found)[filled].mean()) if filled.any() else 1.0
    return StageParity(
        stage=MATCHES,
        max_abs=0.0,
        mean_abs=0.0,
        max_relative=0.0,
        mean_relative=0.0,
        equal=equal,
        finite=True,
    )


def _judged(parity: StageParity, probe: Probe) -> StageParity:
    """Hold a stage against its limits. A comparison with NaN is false, so NaN fails."""
    limit = LIMITS[probe.precision][parity.stage]
    bytes_out = probe.io == "uint8" and parity.stage == contract.RESULT
    max_abs = limit.max_abs
    if max_abs is not None and bytes_out:
        max_abs += BYTE_STEP
    psnr_db = limit.psnr_db
    if psnr_db is not None and bytes_out:
        psnr_db = min(psnr_db, BYTE_PSNR_DB)
    rules = [
        ("values must be finite", parity.finite),
        ("known pixels must be those of the input", parity.outside_equal is not False),
        _at_most("max abs", parity.max_abs, max_abs),
        _at_most("max abs over largest value", parity.max_relative, limit.max_relative),
        _at_most("mean abs over largest value", parity.mean_relative, limit.mean_relative),
        _at_least("PSNR in dB", parity.psnr_db, psnr_db),
        _at_least("share of equal matches", parity.equal, limit.equal),
    ]
    broken = tuple(f"{rule} ({limit.reason})" for rule, kept in rules if not kept)
    return dataclasses.replace(parity, broken=broken)


def _at_most(what: str, value: float, limit: float | None) -> tuple[str, bool]:
    if limit is None:
        return "", True
    return f"{what} must be at most {limit:.3g}; got {value:.3g}", value <= limit


def _at_least(what: str, value: float | None, limit: float | None) -> tuple[str, bool]:
    if value is None or limit is None:
        return "", True
    return f"{what} must be at least {limit:.4g}; got {value:.4g}", value >= limit
