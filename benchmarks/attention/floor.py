"""What no kernel can be faster than: bytes to move, sums to make, steps that wait for each other.

Letters: B images, C channels, N positions, K known, M holes of an image. Counted from what the
operator means, not from how the kernels do it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from ..record import Scalar
from .problems import Case

# The dependent instructions of one hole in solver.cuh: add 4, reciprocal 20, multiply 4, select 4,
# shuffle 23, multiply-add 4 cycles. Published latencies, not measured ones.
CHAIN_CYCLES: Final = 59
_MASK_BYTES: Final = 4  # float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What a case asks for.

    Attributes:
        bytes: read once and written once: features, mask, result.
        flops: norms, M x K products of length C, and the blends.
        steps: holes of an image, each waiting for the one before.
    """

    bytes: int
    flops: int
    steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Floor:
    """The least microseconds for each kind of work, on the machine at hand.

    Attributes:
        bytes_us: at the bandwidth of a copy in device memory.
        flops_us: at the rate of a large product of that type.
        chain_us: at the clock of the multiprocessors.
    """

    bytes_us: float
    flops_us: float
    chain_us: float

    @property
    def us(self) -> float:
        """The largest of the three; no kernel does better."""
        return max(self.bytes_us, self.flops_us, self.chain_us)


def work_of(case: Case) -> Work:
    """Count the work of a case.

    Args:
        case: which.

    Returns:
        The work. Where nothing is filled only bytes move.
    """
    item = np.dtype(case.dtype).itemsize
    moved = case.batch * case.positions * (2 * case.channels * item + _MASK_BYTES)
    if case.is_identity:
        return Work(bytes=moved, flops=0, steps=0)
    search = 2 * case.holes * case.known * case.channels
    norms = 2 * case.positions * case.channels
    blends = 5 * case.holes * case.channels  # a product with the vector before, and the blend
    return Work(bytes=moved, flops=case.batch * (search + norms + blends), steps=case.holes)


def floor_of(case: Case, limits: Mapping[str, Scalar]) -> Floor | None:
    """Turn the work of a case into time.

    Args:
        case: which.
        limits: of the GPU, as ``gpu_probe.measure_limits`` gives them.

    Returns:
        The floor; None if the limits were not measured.
    """
    rates = [limits.get(name) for name in ("copy_gb_per_s", f"{case.dtype}_tflops", "sm_mhz")]
    if not all(isinstance(rate, int | float) and rate > 0 for rate in rates):
        return None
    bandwidth, tflops, mhz = (float(rate) for rate in rates if rate is not None)
    work = work_of(case)
    return Floor(
        bytes_us=work.bytes / bandwidth / 1e3,
        flops_us=work.flops / tflops / 1e6,
        chain_us=work.steps * CHAIN_CYCLES / mhz,
    )
