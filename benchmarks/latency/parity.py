"""Whether a rival computes what the torch model does, on the very input it is timed on.

Letters: B images, H W sides in pixels.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from ...export.parity.limits import BYTE_PSNR_DB, BYTE_STEP, LIMITS
from ...plugins.errors import ContractError, ParityError
from ...runtime.contract import RESULT
from ...runtime.tensors.pixels import Float32
from ...train.evaluation.metrics import hole_psnr
from ..record import Parity, Scalar
from .cases import Case

_REFERENCE: Final = "the torch model, float32"


def compare(found: Float32, expected: Float32, case: Case, form: Mapping[str, Scalar]) -> Parity:
    """Compare all images of a case.

    Args:
        found: (B, 3, H, W) of the rival.
        expected: (B, 3, H, W) of the torch model.
        case: the input.
        form: of the rival; its "precision" and "io" decide the limits, which are those of
            exported files.

    Returns:
        The parity, passed or not.

    Raises:
        ContractError: the result has another shape, or no limits are stated for the precision.
    """
    if found.shape != expected.shape:
        raise ContractError(f"a result must have shape {expected.shape}; got {found.shape}")
    worst = [
        hole_psnr(one, other, missing[0] > 0.5)
        for one, other, missing in zip(found, expected, case.hole, strict=True)
    ]
    psnr_db = min(worst)
    max_abs_limit, psnr_limit = _limits(form)
    return Parity(
        reference=_REFERENCE,
        images=case.batch,
        max_abs=float(np.abs(found.astype(np.float64) - expected).max()),
        psnr_db=None if psnr_db == math.inf else psnr_db,
        max_abs_limit=max_abs_limit,
        psnr_db_limit=psnr_limit,
    )


def require(parity: Parity, rival: str, case: Case) -> None:
    """Refuse a rival whose results are wrong.

    Args:
        parity: what was found.
        rival: its name.
        case: the input.

    Raises:
        ParityError: a limit is broken.
    """
    if not parity.passed:
        raise ParityError(
            f"{rival} must compute what {parity.reference}, does before it is timed; on "
            f"{case.name} max abs is {parity.max_abs:.2g} (limit {parity.max_abs_limit}) and PSNR "
            f"{parity.psnr_db} dB (limit {parity.psnr_db_limit})"
        )


def worse(one: Parity, other: Parity) -> Parity:
    """Choose the parity that is farther from the reference."""
    return max(one, other, key=lambda parity: parity.max_abs)


def _limits(form: Mapping[str, Scalar]) -> tuple[float | None, float | None]:
    """Give the limits of max abs and PSNR; bytes may round to either side."""
    stages = next((LIMITS[known] for known in LIMITS if known == form["precision"]), None)
    if stages is None:
        raise ContractError(
            f"a precision must be one of {', '.join(LIMITS)}, for which limits are stated; got "
            f"{form['precision']!r}"
        )
    limit = stages[RESULT]
    max_abs, psnr_db = limit.max_abs, limit.psnr_db
    if form["io"] == "uint8":
        max_abs = None if max_abs is None else max_abs + BYTE_STEP
        psnr_db = None if psnr_db is None else min(psnr_db, BYTE_PSNR_DB)
    return max_abs, psnr_db
