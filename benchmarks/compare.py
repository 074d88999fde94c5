"""Two records of the same benchmark, case by case: what became slower, and how sure that is."""

import dataclasses
from collections.abc import Callable
from typing import Final

from ..plugins.errors import ContractError
from .distribution import Interval, ratio_of_medians, ratio_of_ratios
from .record import Key, Measurement, Record

LIMIT: Final = 1.05  # two runs of one build on a quiet machine agree to 2 or 3 %


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One rival on one case, in both records.

    Attributes:
        before: of the first record.
        after: of the second.
        ratio: of the second to the first; above 1 is slower.
        limit: beyond which it is a regression.
    """

    before: Measurement
    after: Measurement
    ratio: Interval
    limit: float

    @property
    def regressed(self) -> bool:
        """Whether it is slower than the limit allows, with the confidence of the interval."""
        return self.ratio.low > self.limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two records side by side.

    Attributes:
        changes: what both measured, in the order of the first record.
        only_before: what only the first measured.
        only_after: what only the second measured.
        notes: what makes the comparison one of other things than the code.
    """

    changes: tuple[Change, ...]
    only_before: tuple[Measurement, ...]
    only_after: tuple[Measurement, ...]
    notes: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """Whether any case is slower than the limit allows."""
        return any(change.regressed for change in self.changes)


def compare(
    before: Record, after: Record, *, limit: float = LIMIT, relative_to: str | None = None
) -> Comparison:
    """Compare two records.

    Args:
        before: the first.
        after: the second, of the same kind.
        limit: the ratio of medians beyond which a case is a regression; above 0.
        relative_to: a rival of both, whose own change is divided out: it stands for the state
            of the machine. None compares milliseconds.

    Returns:
        The comparison.

    Raises:
        ContractError: the kinds differ, nothing matches, or the limit or the rival is none.
    """
    if before.kind != after.kind:
        raise ContractError(
            f"records must be of one benchmark; got {before.kind!r} and {after.kind!r}"
        )
    if not 0 < limit < float("inf"):
        raise ContractError(f"the limit must be above 0; got {limit}")
    old, new = ({m.key: m for m in record.measurements} for record in (before, after))
    ratio = _milliseconds if relative_to is None else _relative_to(relative_to, old, new)
    changes = [
        Change(before=old[key], after=new[key], ratio=ratio(old[key], new[key]), limit=limit)
        for key in old
        if key in new and key[1] != relative_to
    ]
    if not changes:
        raise ContractError("the records have no case of a rival in common")
    return Comparison(
        changes=tuple(changes),
        only_before=tuple(old[key] for key in old if key not in new),
        only_after=tuple(new[key] for key in new if key not in old),
        notes=tuple(_notes(before, after)),
    )


def _milliseconds(before: Measurement, after: Measurement) -> Interval:
    turn = _turn(before, after)
    return ratio_of_medians(after.samples_ms, before.samples_ms, turn=turn)


def _relative_to(
    yardstick: str, old: dict[Key, Measurement], new: dict[Key, Measurement]
) -> Callable[[Measurement, Measurement], Interval]:
    """Make the function that compares what two rivals of one run are to each other."""

    def ratio(before: Measurement, after: Measurement) -> Interval:
        key = (before.key[0], yardstick, before.key[2])
        if key not in old or key not in new:
            raise ContractError(
                f"{yardstick!r} must be measured on every case of both records; it is not on "
                f"{describe(before)}"
            )
        pairs = ((after, new[key]), (before, old[key]))
        for rival, stick in pairs:
            if len(rival.samples_ms) != len(stick.samples_ms):
                raise ContractError(f"{rival.rival} and {yardstick} must have taken equal turns")
        numerator, denominator = ((r.samples_ms, s.samples_ms) for r, s in pairs)
        return ratio_of_ratios(numerator, denominator, turn=_turn(before, after))

    return ratio


def describe(measured: Measurement) -> str:
    """Name a measurement: rival, model and case."""
    case = " ".join(f"{name}={value}" for name, value in measured.case.items())
    return f"{measured.rival} {measured.model or ''} {case}".replace("  ", " ")


def _turn(before: Measurement, after: Measurement) -> int:
    if before.calls_per_turn != after.calls_per_turn:
        raise ContractError(
            f"{describe(before)} has turns of {before.calls_per_turn} and of "
            f"{after.calls_per_turn} calls\nMeasure both with the same --calls."
        )
    return before.calls_per_turn


def _notes(before: Record, after: Record) -> list[str]:
    """Say what else differs than the code."""
    found = []
    for name in ("cpu", "cpus_used", "gpu", "system"):
        old, new = getattr(before.machine, name), getattr(after.machine, name)
        if old != new:
            found.append(f"machine: {name} was {old}, is {new}")
    for what in ("libraries", "settings"):
        old, new = getattr(before, what), getattr(after, what)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                found.append(f"{what}: {name} was {old.get(name)}, is {new.get(name)}")
    weights = {model.name: model.sha256 for model in before.models}
    for model in after.models:
        if weights.get(model.name, model.sha256) != model.sha256:
            found.append(f"models: {model.name} has other weights; times do not depend on them")
    for record, which in ((before, "first"), (after, "second")):
        found += [f"{which} record: {warning}" for warning in record.warnings]
    return found
