"""Parity limits: one table for tests and commands.

Each number stands beside its reason. The worst of all cases counts, and a value that is not
a number passes no limit.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from ...runtime.contract import OUTPUT, ComputePrecision, IOFormat
from ...runtime.tensors.pixels import HALF_RANGE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """The limits of one stage; None is no limit."""

    # largest difference, in the units of the stage. Images are in [-1, 1]
    max_abs: float | None = None
    max_relative: float | None = None  # largest difference over the largest value of the stage
    mean_relative: float | None = None  # mean difference over the largest value of the stage
    # least peak signal-to-noise ratio inside the hole, for a range of 2
    psnr_db: float | None = None
    equal: float | None = None  # least share of equal match indices
    reason: str  # why these numbers


# Half of an 8-bit step may round to either side, so two bytes may differ by one step.
BYTE_STEP: Final = 1 / HALF_RANGE
BYTE_PSNR_DB: Final = 48.0  # what remains if every byte rounds to the other side: 48.13

LIMITS: Final[Mapping[ComputePrecision, Mapping[str, Limit]]] = {
    "fp32": {
        "rough": Limit(max_abs=1e-4, reason="float32 sums in another order"),
        "features": Limit(max_relative=1e-4, reason="float32 sums in another order"),
        "matches": Limit(equal=0.995, reason="two candidates may be equal to float32's last bit"),
        "attended": Limit(
            mean_relative=1e-3,
            reason="where a match may differ (0.5 % of at most all holes), so may a vector",
        ),
        OUTPUT: Limit(max_abs=1e-4, psnr_db=80.0, reason="the contract of an fp32 export"),
    },
    "fp16": {
        "rough": Limit(psnr_db=45.0, reason="below one 8-bit step on average"),
        "features": Limit(mean_relative=1e-2, reason="rounded to 2^-11 in each of 30 layers"),
        "matches": Limit(reason="near-equal candidates swap; bounded by the result"),
        "attended": Limit(mean_relative=1e-2, reason="rounded to 2^-11 in each of 30 layers"),
        OUTPUT: Limit(psnr_db=45.0, reason="the contract of an fp16 export"),
    },
    # An fp32 model that a runtime computes in bfloat16; only its result is visible.
    "bf16": {
        OUTPUT: Limit(
            psnr_db=35.0, reason="rounded to 2^-8 in each of 50 layers; 4.5 of 255 grey levels"
        ),
    },
}

# Of tensors between the stages: they locate the first divergence, and do not decide.
INNER: Final[Mapping[ComputePrecision, Limit]] = {
    "fp32": Limit(max_relative=1e-4, reason="as the features; trained weights stay below 1e-5"),
    "fp16": Limit(mean_relative=1e-2, reason="as the features; trained weights stay near 1e-4"),
    "bf16": Limit(reason="a runtime that computes in bfloat16 shows its result alone"),
}


def limit_of(tensor: str, precision: ComputePrecision, io: IOFormat) -> Limit:
    """Return the limits of a stage or another tensor; bytes are rounded once more."""
    limit = LIMITS[precision].get(tensor, INNER[precision])
    if tensor != OUTPUT or io != "uint8":
        return limit
    max_abs, psnr_db = limit.max_abs, limit.psnr_db
    return dataclasses.replace(
        limit,
        max_abs=None if max_abs is None else max_abs + BYTE_STEP,
        psnr_db=None if psnr_db is None else min(psnr_db, BYTE_PSNR_DB),
    )
