"""Parity of a backend with the torch model, on the very input that is timed.

Letters: B images, H W sides in pixels.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from ...export.parity.limits import LIMITS, limit_of
from ...plugins.errors import ContractError, ParityError
from ...runtime.contract import OUTPUT
from ...runtime.tensors.pixels import Float32
from ...train.evaluation.metrics import hole_psnr
from ..record import Parity, Scalar
from .cases import Case

_REFERENCE: Final = "the torch model, float32"


def compare(found: Float32, expected: Float32, case: Case, options: Mapping[str, Scalar]) -> Parity:
    """Compare results (B, 3, H, W) with those of the torch model; the worst image counts."""
    if found.shape != expected.shape:
        raise ContractError(f"a result must have shape {expected.shape}; got {found.shape}")
    worst = [
        hole_psnr(one, other, missing[0] > 0.5)
        for one, other, missing in zip(found, expected, case.hole, strict=True)
    ]
    psnr_db = min(worst)
    if options["precision"] not in LIMITS:
        raise ContractError(
            f"a precision must be one of {', '.join(LIMITS)}, for which limits are stated; got "
            f"{options['precision']!r}"
        )
    limit = limit_of(OUTPUT, options["precision"], options["io"])  # type: ignore[arg-type]
    return Parity(
        reference=_REFERENCE,
        images=case.batch,
        max_abs=float(np.abs(found.astype(np.float64) - expected).max()),
        psnr_db=None if psnr_db == math.inf else psnr_db,
        max_abs_limit=limit.max_abs,
        psnr_db_limit=limit.psnr_db,
    )


def require(parity: Parity, backend: str, case: Case) -> None:
    """Refuse a backend whose results are wrong."""
    if not parity.passed:
        raise ParityError(
            f"{backend} must compute what {parity.reference}, does before it is timed; on "
            f"{case.name} max abs is {parity.max_abs:.2g} (limit {parity.max_abs_limit}) and PSNR "
            f"{parity.psnr_db} dB (limit {parity.psnr_db_limit})"
        )
