"""Latency records, sorted for tables and plots."""

from collections.abc import Sequence

from ...plugins.errors import ContractError
from ..record import Measurement, Record
from .plan import CENTRE

Group = list[Measurement]


def grouped(record: Record) -> list[Group]:
    """Sort the measurements of a record by model, size and batch: what one table holds.

    Args:
        record: of kind "latency".

    Returns:
        Groups of at least one measurement each.

    Raises:
        ContractError: the record is of another benchmark, has no measurement, or one whose case
            lacks what a latency is a function of.
    """
    if record.kind != "latency" or not record.measurements:
        raise ContractError(
            "a latency record with measurements is needed; got one of kind "
            f"{record.kind!r} with {len(record.measurements)}"
        )
    groups: dict[tuple[object, ...], Group] = {}
    for measured in record.measurements:
        _check(measured)
        key = (measured.model, measured.case["size"], measured.case["batch"])
        groups.setdefault(key, []).append(measured)
    return list(groups.values())


def of_first_case(group: Sequence[Measurement]) -> Group:
    """Take the measurements of the case that comes first; the centre hole, by default."""
    return [measured for measured in group if measured.case == group[0].case]


def title(measured: Measurement) -> str:
    """Name what a group shares."""
    size = measured.case["size"]
    return f"{measured.model}, {size}x{size}, batch {measured.case['batch']}"


def holes(measured: Measurement) -> str:
    """Name the holes of a case."""
    text = str(measured.case["holes"])
    return "centre hole" if text == CENTRE else f"{float(text):.0%} holes"


def _check(measured: Measurement) -> None:
    case = measured.case
    kept = all(isinstance(case.get(name), int) for name in ("size", "batch"))
    kept &= isinstance(case.get("hole_ratio"), int | float)
    if case.get("holes") != CENTRE:
        try:
            float(str(case.get("holes")))
        except ValueError:
            kept = False
    if not kept:
        raise ContractError(
            f"the case of a latency must have size, batch, holes and hole_ratio; got {dict(case)}"
        )
