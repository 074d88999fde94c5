"""Compare two records case by case, with a confidence interval of each ratio."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

from ..plugins.errors import ContractError
from .record import Key, Measurement, Record
from .stats import Interval, ratio_of_medians, ratio_of_ratios

ByKey = Mapping[Key, Measurement]
Verdict = Literal["regressed", "inconclusive", "unchanged"]  # the worst first

LIMIT: Final = 1.05  # two runs of one build on a quiet machine agree to 2 or 3 %


@dataclasses.dataclass(frozen=True)
class Change:
    """One backend on one case, in both records; a ratio above 1 is slower."""

    before: Measurement
    after: Measurement
    ratio: Interval
    limit: float

    @property
    def verdict(self) -> Verdict:
        """Whether it is slower than the limit; inconclusive if that lies in the interval."""
        if self.ratio.low > self.limit:
            return "regressed"
        return "inconclusive" if self.limit < self.ratio.high else "unchanged"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two records side by side; notes list what differs besides the code."""

    changes: tuple[Change, ...]
    only_before: tuple[Measurement, ...]
    only_after: tuple[Measurement, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Return text for a terminal."""
        lines = [f"{'A p50 ms':>10} {'B p50 ms':>10}  {'B / A':<22} case"]
        for change in self.changes:
            verdict = {
                "regressed": f"  REGRESSED beyond {change.limit:g}",
                "inconclusive": "  inconclusive",
                "unchanged": "",
            }[change.verdict]
            ratio = f"{change.ratio.value:.3f} ({change.ratio.low:.3f}-{change.ratio.high:.3f})"
            lines.append(
                f"{change.before.summary.p50_ms:>10.3f} {change.after.summary.p50_ms:>10.3f}  "
                f"{ratio:<22} {_describe(change.after)}{verdict}"
            )
        lines += [f"only in A: {_describe(measured)}" for measured in self.only_before]
        lines += [f"only in B: {_describe(measured)}" for measured in self.only_after]
        lines += [f"note: {note}" for note in self.notes]
        count = sum(change.verdict == self.verdict for change in self.changes)
        cases = f"{count} of {len(self.changes)} cases"
        last = {
            "regressed": f"{cases} regressed",
            "inconclusive": f"inconclusive: {cases} may be beyond the limit; measure more --rounds",
            "unchanged": "no regression",
        }[self.verdict]
        return "\n".join([*lines, last])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all cases."""
        found = {change.verdict for change in self.changes}
        return next(verdict for verdict in get_args(Verdict) if verdict in found)


def compare(
    before: Record, after: Record, *, limit: float = LIMIT, relative_to: str | None = None
) -> Comparison:
    """Compare two records; with ``relative_to``, the change of that backend is divided out."""
    if before.kind != after.kind:
        raise ContractError(
            f"records must be of one benchmark; got {before.kind!r} and {after.kind!r}"
        )
    if not 0 < limit < float("inf"):
        raise ContractError(f"the limit must be above 0; got {limit}")
    old, new = ({m.key: m for m in record.measurements} for record in (before, after))
    changes = [
        Change(old[key], new[key], _ratio(old, new, key, relative_to), limit)
        for key in old
        if key in new and key[1] != relative_to
    ]
    if not changes:
        raise ContractError("the records have no case of a backend in common")
    only = [tuple(a[key] for key in a if key not in b) for a, b in ((old, new), (new, old))]
    return Comparison(tuple(changes), only[0], only[1], tuple(_notes(before, after)))


def _describe(measured: Measurement) -> str:
    case = " ".join(f"{name}={value}" for name, value in measured.case.items())
    return " ".join(filter(None, (measured.backend, measured.model, case)))


def _ratio(old: ByKey, new: ByKey, key: Key, baseline: str | None) -> Interval:
    """Return the ratio of two measurements; with a baseline, each relative to it in its run."""
    before, after, per_round = old[key], new[key], old[key].calls_per_round
    if per_round != after.calls_per_round:
        raise ContractError(
            f"{_describe(before)} has rounds of {per_round} and of {after.calls_per_round} calls\n"
            "Measure both with the same --calls."
        )
    if baseline is None:
        return ratio_of_medians(after.samples_ms, before.samples_ms, per_round=per_round)
    base = (key[0], baseline, key[2])
    if base not in old or base not in new:
        raise ContractError(
            f"{baseline!r} must be measured on every case of both records; it is not on "
            f"{_describe(before)}"
        )
    pairs = ((after.samples_ms, new[base].samples_ms), (before.samples_ms, old[base].samples_ms))
    if any(len(own) != len(other) for own, other in pairs):
        raise ContractError(f"{after.backend} and {baseline} must have as many samples")
    return ratio_of_ratios(*pairs, per_round=per_round)


def _notes(before: Record, after: Record) -> Iterator[str]:
    """Report what differs besides the code."""
    for name in ("cpu", "cpus_used", "gpu", "system"):
        old, new = getattr(before.environment, name), getattr(after.environment, name)
        if old != new:
            yield f"environment: {name} was {old}, is {new}"
    for what in ("libraries", "settings"):
        old, new = getattr(before, what), getattr(after, what)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield f"{what}: {name} was {old.get(name)}, is {new.get(name)}"
    weights = {model.name: model.sha256 for model in before.models}
    for model in after.models:
        if weights.get(model.name, model.sha256) != model.sha256:
            yield f"models: {model.name} has other weights; times do not depend on them"
    for record, which in ((before, "first"), (after, "second")):
        yield from (f"{which} record: {warning}" for warning in record.warnings)
