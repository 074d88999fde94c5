"""How the cost of the operator grows with the holes: straight lines through what a record holds.

Times are medians, of the device where there is one. Cases where nothing is filled are left out:
without a known position 1024 holes cost as little as none.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ..record import Measurement, Record, Scalar
from .problems import Case

POINTS_MIN: Final = 3  # through two points a line says nothing about itself
CHAIN: Final = "chain"  # the kernel that walks the holes one by one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A least-squares line: microseconds against holes.

    Attributes:
        intercept_us: at no hole.
        slope_us: for each hole of an image.
        r_squared: share of the variance that the line explains.
        points: that it goes through.
    """

    intercept_us: float
    slope_us: float
    r_squared: float
    points: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Cases that differ in their holes alone, of one rival.

    Attributes:
        rival: which form.
        case: what they share: batch, channels, side, dtype, similarity.
        measured: by number of holes, ascending.
    """

    rival: str
    case: Mapping[str, Scalar]
    measured: Mapping[int, Measurement]

    @property
    def line(self) -> Line | None:
        """The line through the medians; None if there are too few."""
        return fit(
            [
                (holes, 1e3 * median_ms(found))
                for holes, found in self.measured.items()
                if not case_of(found).is_identity
            ]
        )

    @property
    def chain_line(self) -> Line | None:
        """The line through the times of the serial kernel alone; None without a profile."""
        profiled = {
            holes: found.device.kernels_ms[CHAIN]
            for holes, found in self.measured.items()
            if found.device and CHAIN in found.device.kernels_ms
        }
        return fit(
            [
                (holes, 1e3 * ms)
                for holes, ms in profiled.items()
                if not case_of(self.measured[holes]).is_identity
            ]
        )


def median_ms(measured: Measurement) -> float:
    """Give the median time of one computation: on the device where there is one.

    Args:
        measured: a form on a case.

    Returns:
        Milliseconds.
    """
    times = measured.device.compute_ms if measured.device else measured.samples_ms
    return statistics.median(times)


def case_of(measured: Measurement) -> Case:
    """Read the case of a measurement of the operator.

    Args:
        measured: from a record of kind "attention" or "acceptance".

    Returns:
        The case.

    Raises:
        ContractError: it has impossible sizes.
    """
    return Case(**dict(measured.case))  # type: ignore[arg-type]


def families(record: Record) -> list[Family]:
    """Sort the measurements of a record by what they share.

    Args:
        record: of the operator.

    Returns:
        Families, in the order of the record.
    """
    found: dict[tuple[str, tuple[tuple[str, Scalar], ...]], dict[int, Measurement]] = {}
    for measured in record.measurements:
        shared = tuple((name, value) for name, value in measured.case.items() if name != "holes")
        found.setdefault((measured.rival, shared), {})[int(measured.case["holes"])] = measured
    return [
        Family(rival=rival, case=dict(shared), measured=dict(sorted(by_holes.items())))
        for (rival, shared), by_holes in found.items()
    ]


def fit(points: Sequence[tuple[int, float]]) -> Line | None:
    """Fit a line.

    Args:
        points: holes and microseconds.

    Returns:
        The line; None for fewer than three different numbers of holes.
    """
    holes, us = np.array(points, dtype=np.float64).reshape(-1, 2).T
    if np.unique(holes).size < POINTS_MIN:
        return None
    design = np.stack([np.ones_like(holes), holes], axis=1)
    (intercept, slope), *_ = np.linalg.lstsq(design, us, rcond=None)
    left = float(((us - design @ (intercept, slope)) ** 2).sum())
    whole = float(((us - us.mean()) ** 2).sum())
    return Line(
        intercept_us=float(intercept),
        slope_us=float(slope),
        r_squared=1 - left / whole if whole else 1.0,
        points=len(points),
    )
