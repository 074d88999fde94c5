"""A record of the operator as text: times by holes, lines through them, floors, targets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ..record import Record, Scalar
from .floor import floor_of
from .forms import NAMES
from .growth import Family, Line, case_of, families, median_ms

_FAST: Final = ("cuda", "cuda-graph")
_WIDTH: Final = 17


def report(record: Record) -> Iterator[str]:
    """Write a record for people.

    Args:
        record: of the operator.

    Yields:
        Lines.
    """
    found = families(record)
    for shared in dict.fromkeys(tuple(family.case.items()) for family in found):
        beside = [family for family in found if tuple(family.case.items()) == shared]
        beside.sort(key=lambda family: NAMES.index(family.rival))
        yield from _table(dict(shared), beside)
        yield from _slopes(beside)
        yield from _floors(beside, record.settings)
        yield ""
    yield from (f"not run: {absent.rival}: {absent.reason}" for absent in record.absent)
    yield from (f"doubtful: {warning}" for warning in record.warnings)
    yield from (f"{c.outcome:<8}{c.name}: {c.reason}" for c in record.checks)


def _table(shared: Mapping[str, Scalar], beside: Sequence[Family]) -> Iterator[str]:
    """One row a number of holes, one column a form: medians."""
    yield (
        f"{shared['dtype']}, {shared['similarity']}, batch {shared['batch']}, "
        f"{shared['channels']} channels, {shared['side']}x{shared['side']}; medians"
    )
    yield f"{'holes':>8}" + "".join(f"{family.rival:>{_WIDTH}}" for family in beside)
    for holes in sorted({holes for family in beside for holes in family.measured}):
        cells = [
            _time(1e3 * median_ms(family.measured[holes])) if holes in family.measured else "-"
            for family in beside
        ]
        yield f"{holes:>8}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _slopes(beside: Sequence[Family]) -> Iterator[str]:
    for family in beside:
        if line := family.line:
            yield f"  {family.rival}: {_line(line)}"
        if chain := family.chain_line:
            yield f"  {family.rival}, chain kernel alone: {_line(chain)}"


def _floors(beside: Sequence[Family], limits: Mapping[str, Scalar]) -> Iterator[str]:
    """State the floor beside each time of the kernels, and their shares."""
    for family in beside:
        if family.rival not in _FAST:
            continue
        for holes, measured in family.measured.items():
            floor, us = floor_of(case_of(measured), limits), 1e3 * median_ms(measured)
            if floor is None:
                continue
            yield (
                f"  {family.rival}, {holes} holes: {us:.1f} us; floor {floor.us:.1f} us (bytes "
                f"{floor.bytes_us:.1f}, flops {floor.flops_us:.1f}, chain {floor.chain_us:.1f}), "
                f"{us / floor.us:.3g} times that"
            )
            kernels = measured.device.kernels_ms if measured.device else {}
            if kernels:
                yield "    " + ", ".join(f"{k} {1e3 * ms:.1f} us" for k, ms in kernels.items())


def _line(line: Line) -> str:
    return (
        f"{_time(line.intercept_us)} + {line.slope_us:.3g} us a hole "
        f"(R^2 {line.r_squared:.3f}, {line.points} points)"
    )


def _time(us: float) -> str:
    """Choose the unit by the size."""
    return f"{us:.1f} us" if abs(us) < 1e3 else f"{us / 1e3:.2f} ms"
