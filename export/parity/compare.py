"""Compare cases with their reference, stage by stage, under the limits.

Letters: C channels, N feature positions, H W sides in pixels.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from ...runtime import contract
from ...runtime.contract import ComputePrecision, IOFormat
from ...runtime.tensors.conversion import Array
from ...train.evaluation.metrics import hole_psnr, hole_ssim
from ..graph.attention_function import MATCHES
from .cases import Case
from .limits import limit_of
from .probe import as_float
from .report import CaseParity, Report, StageParity

STAGES: Final = ("rough", "features", MATCHES, "attended", contract.OUTPUT)  # in this order
_IMAGES: Final = ("rough", contract.OUTPUT)  # stages that are images; the others are features


Stages = Mapping[str, Array]


def compare_cases(
    run: Callable[[Sequence[Case]], Iterable[Stages]],
    reference: Callable[[Case], Stages],
    cases: Iterable[Case],
    *,
    precision: ComputePrecision,
    io: IOFormat,
    batch: int = 1,
) -> Report:
    """Compare what ``run`` returns for ``batch`` cases of one size with the reference."""
    sizes: dict[tuple[int, ...], list[Case]] = {}
    for case in cases:
        sizes.setdefault(case.hole.shape, []).append(case)
    results = []
    for group in sizes.values():
        for start in range(0, len(group), batch):
            chosen = group[start : start + batch]
            filled_up = list(itertools.islice(itertools.cycle(chosen), batch))
            pairs = zip(filled_up, run(filled_up), strict=True)
            for case, found in itertools.islice(pairs, len(chosen)):
                expected = reference(case)
                stages = tuple(
                    compare_stage(n, expected[n], found[n], case, precision=precision, io=io)
                    for n in STAGES
                    if n in found
                )
                results.append(CaseParity(case=case, stages=stages))
    return Report(precision=precision, io=io, cases=tuple(results))


def compare_stage(
    name: str,
    reference: Array,
    found: Array,
    case: Case,
    *,
    precision: ComputePrecision,
    io: IOFormat,
) -> StageParity:
    """Compare a stage of a case, (C, H, W), or (N,) for matches, with its reference and limits."""
    if name == MATCHES:
        return _judged(_compare_matches(reference, found), precision, io)
    difference = np.abs(reference.astype(np.float64) - found)
    scale = max(np.abs(reference).max(), 1e-12)
    image = name in _IMAGES
    parity = StageParity(
        stage=name,
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        max_relative=float(difference.max() / scale),
        mean_relative=float(difference.mean() / scale),
        psnr_db=hole_psnr(found, reference, case.hole) if image else None,
        ssim=hole_ssim(found, reference, case.hole) if image else None,
        finite=bool(np.isfinite(found).all()),
        outside_equal=_known_pixels_kept(found, case) if name == contract.OUTPUT else None,
    )
    return _judged(parity, precision, io)


def _known_pixels_kept(result: Array, case: Case) -> bool:
    return bool((result[:, ~case.hole] == as_float(case.image)[:, ~case.hole]).all())


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


def _judged(parity: StageParity, precision: ComputePrecision, io: IOFormat) -> StageParity:
    """Apply the limits to a stage. A comparison with NaN is false, so NaN fails."""
    limit = limit_of(parity.stage, precision, io)
    rules = [
        ("values must be finite", parity.finite),
        ("known pixels must be those of the input", parity.outside_equal is not False),
        _at_most("max abs", parity.max_abs, limit.max_abs),
        _at_most("max abs over largest value", parity.max_relative, limit.max_relative),
        _at_most("mean abs over largest value", parity.mean_relative, limit.mean_relative),
        _at_least("PSNR in dB", parity.psnr_db, limit.psnr_db),
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
