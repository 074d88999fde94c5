"""Latency records as text, as Markdown tables in documents, and two records compared.

In a document::

    <!-- benchmark: benchmarks/results/NAME.json -->
    what `csakit bench table` writes
    <!-- end of benchmark -->

The mark names the record, relative to the document's folder, so that the table cannot drift
from it unseen: a test writes it again and compares.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..plugins.errors import ContractError
from ..runtime.files.atomic import atomic_write
from .latency.backends import BASELINE
from .latency.plan import CENTRE
from .record import Backend, Key, Measurement, Record, read_record
from .stats import Interval, ratio_of_medians, ratio_of_ratios, summarise

Group = list[Measurement]
ByKey = Mapping[Key, Measurement]

LIMIT: Final = 1.05  # two runs of one build on a quiet machine agree to 2 or 3 %
_BLOCK: Final = re.compile(
    r"(?P<open>^<!-- benchmark: (?P<path>\S+) -->\n)(?P<table>.*?)"
    r"(?P<close>^<!-- end of benchmark -->$)",
    re.MULTILINE | re.DOTALL,
)
_TEXT_HEAD: Final = (
    *("backend", "p50 ms", "p90", "p95", "p99", "max", "CV", "images/s", "of the loop", "max abs"),
)
_STARTS_HEAD: Final = (
    *("backend", "import ms", "load", "first", "total", "first MiB", "run MiB", "model"),
)
_MIB: Final = 1 << 20
_COMMIT_DIGITS: Final = 12


def grouped(record: Record) -> list[Group]:
    """Return the measurements of each model, size and batch: what one table holds.

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
        _check_case(measured)
        key = (measured.model, measured.case["size"], measured.case["batch"])
        groups.setdefault(key, []).append(measured)
    return list(groups.values())


def first_case(group: Sequence[Measurement]) -> Group:
    """Return the measurements of the first case; by default the centre hole."""
    return [measured for measured in group if measured.case == group[0].case]


def title(measured: Measurement) -> str:
    """Name model, size and batch."""
    size = measured.case["size"]
    return f"{measured.model}, {size}x{size}, batch {measured.case['batch']}"


def text(record: Record) -> str:
    """Write a latency record for a terminal: every case, every cold start, every warning.

    Raises:
        ContractError: as ``grouped``.
    """
    lines = []
    for group in grouped(record):
        for case in dict.fromkeys(tuple(measured.case.items()) for measured in group):
            measurements = [m for m in group if tuple(m.case.items()) == case]
            c = measurements[0].case
            lines.append(
                f"{title(group[0])}, holes {c['holes']} ({c['hole_ratio']:.1%} of the image, "
                f"{c['feature_holes']:g} positions)"
            )
            lines += [*_aligned([_TEXT_HEAD, *(_text_row(m, measurements) for m in measurements)])]
            lines.append("")
    lines.append("cold start, medians of fresh processes, and peak memory of the host")
    lines += [*_aligned([_STARTS_HEAD, *map(_starts_row, record.backends)]), ""]
    lines += [f"absent: {one.backend}: {one.reason}" for one in record.absent]
    lines += [f"Warning: {warning}" for warning in record.warnings]
    return "\n".join(lines).rstrip()


def markdown(record: Record) -> str:
    """Write the tables of a record, and where they are from.

    Raises:
        ContractError: as ``grouped``.
    """
    lines: list[str] = []
    for group in grouped(record):
        lines += [*_table(record, group), "", *_table_by_holes(group)]
    return "\n".join([*lines, *_provenance(record)]) + "\n"


def rewritten(document: str, folder: Path) -> str:
    """Return the text of a document with its marked tables as their records have them.

    Raises:
        ContractError: a record lies outside of the folder or is none, or a mark is not closed.
    """
    marks = document.count("<!-- benchmark: "), len(_BLOCK.findall(document))
    if marks[0] != marks[1]:
        raise ContractError(
            f"every '<!-- benchmark: FILE -->' must have a line of its own and be followed by "
            f"'<!-- end of benchmark -->'; {marks[0] - marks[1]} of {marks[0]} are not"
        )

    def table(found: re.Match[str]) -> str:
        path = Path(found["path"])
        if path.is_absolute() or ".." in path.parts:
            raise ContractError(f"a mark must name a record beside the document; got {path}")
        return f"{found['open']}\n{markdown(read_record(folder / path))}\n{found['close']}"

    return _BLOCK.sub(table, document)


def rewrite(document: Path, record: Path | None = None, *, check: bool = False) -> bool:
    """Write the marked tables of a file again; with a record, its one mark names that from now on.

    Returns whether the tables changed; ``check`` writes nothing.

    Raises:
        ContractError: it cannot be read or written, a record is given and it has more marks or
            none, or as ``rewritten``.
    """
    try:
        before = document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot read {document}: {error}") from error
    marked = before if record is None else _with_record(before, document, record)
    after = rewritten(marked, document.parent)
    if after != before and not check:
        with atomic_write(document) as temporary:
            temporary.write_text(after)
    return after != before


@dataclasses.dataclass(frozen=True)
class Change:
    """One backend on one case, in both records; a ratio above 1 is slower."""

    before: Measurement
    after: Measurement
    ratio: Interval
    limit: float

    @property
    def regressed(self) -> bool:
        """Whether it is slower than the limit allows, with the confidence of the interval."""
        return self.ratio.low > self.limit


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two records side by side; notes say what else differs than the code."""

    changes: tuple[Change, ...]
    only_before: tuple[Measurement, ...]
    only_after: tuple[Measurement, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Write it for a terminal."""
        lines = [f"{'A p50 ms':>10} {'B p50 ms':>10}  {'B / A':<22} case"]
        for change in self.changes:
            verdict = f"  REGRESSED beyond {change.limit:g}" if change.regressed else ""
            ratio = f"{change.ratio.value:.3f} ({change.ratio.low:.3f}-{change.ratio.high:.3f})"
            lines.append(
                f"{change.before.summary.p50_ms:>10.3f} {change.after.summary.p50_ms:>10.3f}  "
                f"{ratio:<22} {_describe(change.after)}{verdict}"
            )
        lines += [f"only in A: {_describe(measured)}" for measured in self.only_before]
        lines += [f"only in B: {_describe(measured)}" for measured in self.only_after]
        lines += [f"note: {note}" for note in self.notes]
        count = sum(change.regressed for change in self.changes)
        last = f"{count} of {len(self.changes)} cases regressed" if count else "no regression"
        return "\n".join([*lines, last])

    @property
    def regressed(self) -> bool:
        """Whether any case is slower than the limit allows."""
        return any(change.regressed for change in self.changes)


def compare(
    before: Record, after: Record, *, limit: float = LIMIT, relative_to: str | None = None
) -> Comparison:
    """Compare two records of one benchmark; beyond the limit a ratio of medians is a regression.

    ``relative_to`` is a backend of both whose own change is divided out: it stands for the state
    of the machine. None compares milliseconds.

    Raises:
        ContractError: the kinds differ, nothing matches, or the limit or the backend is invalid.
    """
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


def _text_row(measured: Measurement, group: Group) -> list[str]:
    s = measured.summary
    times = (s.p50_ms, s.p90_ms, s.p95_ms, s.p99_ms, s.max_ms)
    cells = [measured.backend, *(f"{ms:.2f}" for ms in times), f"{s.coefficient_of_variation:.1%}"]
    ratio = _of_baseline(measured, group, "")
    return [*cells, f"{s.items_per_s:.2f}", ratio, _max_abs(measured)]


def _starts_row(backend: Backend) -> list[str]:
    starts = backend.cold_starts
    times = (
        sorted(getattr(start, name) for start in starts)
        for name in ("import_ms", "load_ms", "first_ms", "total_ms")
    )
    cells = [f"{values[len(values) // 2]:.0f}" if values else "-" for values in times]
    peaks = [start.peak_host_bytes for start in starts if start.peak_host_bytes is not None]
    peak = _mebibytes(max(peaks, default=None))
    return [backend.name, *cells, peak, _mebibytes(backend.peak_host_bytes), backend.model or ""]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  {'  '.join(cells)}"


def _table(record: Record, group: Group) -> Iterator[str]:
    first = first_case(group)
    model = next((model for model in record.models if model.name == group[0].model), None)
    width = f", width {model.width}" if model else ""
    yield f"{title(group[0])}, {_holes(group[0])}{width}:"
    yield ""
    yield (
        "| | p50 ms | p90 | p99 | of the loop (95 %) | images/s | cold start s | peak MiB "
        "| max abs error |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    backends = {(backend.model, backend.name): backend for backend in record.backends}
    for measured in first:
        backend, s = backends[measured.model, measured.backend], measured.summary
        peak = "" if backend.peak_host_bytes is None else _mebibytes(backend.peak_host_bytes)
        yield (
            f"| `{backend.name}`: {backend.description} | {s.p50_ms:.1f} | {s.p90_ms:.1f} "
            f"| {s.p99_ms:.1f} | {_of_baseline(measured, first, '1')} | {s.items_per_s:.2f} "
            f"| {_cold_start(backend)} | {peak} | {_max_abs(measured)} |"
        )


def _table_by_holes(group: Group) -> Iterator[str]:
    found = {(measured.backend, _holes(measured)): measured for measured in group}
    backends, columns = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    if len(columns) < 2:
        return
    yield f"| p50 ms | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for backend in backends:
        cells = [found.get((backend, column)) for column in columns]
        medians = [f"{cell.summary.p50_ms:.1f}" if cell else "" for cell in cells]
        yield f"| `{backend}` | {' | '.join(medians)} |"
    yield ""


def _provenance(record: Record) -> Iterator[str]:
    machine, source = record.environment, record.source
    cpus = "" if machine.cpus_used is None else f", {len(machine.cpus_used)} processors used"
    commit = source.commit[:_COMMIT_DIGITS] if source.commit else "no commit"
    changed = ", with changes" if source.dirty else ""
    versions = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    gpu = f", {machine.gpu.name}" if machine.gpu else ""
    yield (
        f"Measured {record.date[:10]} on {machine.cpu}{cpus}{gpu}, {machine.system}; csakit "
        f"{source.version} ({commit}{changed}); {versions}; "
        f"{record.measurements[0].summary.calls} calls each."
    )
    yield from (f"Not measured: {one.backend}: {one.reason}." for one in record.absent)
    yield from (f"Warning: {warning}." for warning in record.warnings)


def _of_baseline(measured: Measurement, group: Group, own: str) -> str:
    """Compare with the Python loop of the same case."""
    loop = next((m for m in group if m.backend == BASELINE), None)
    if loop is None or loop is measured:
        return own if loop else ""
    per_round = measured.calls_per_round
    return str(ratio_of_medians(measured.samples_ms, loop.samples_ms, per_round=per_round))


def _cold_start(backend: Backend) -> str:
    totals = [start.total_ms for start in backend.cold_starts]
    return f"{summarise(totals).p50_ms / 1e3:.2f}" if totals else ""


def _max_abs(measured: Measurement) -> str:
    return "" if measured.parity is None else f"{measured.parity.max_abs:.1e}"


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / _MIB:.0f}"


def _holes(measured: Measurement) -> str:
    holes = str(measured.case["holes"])
    return "centre hole" if holes == CENTRE else f"{float(holes):.0%} holes"


def _check_case(measured: Measurement) -> None:
    case = measured.case
    valid = all(isinstance(case.get(name), int) for name in ("size", "batch"))
    valid &= isinstance(case.get("hole_ratio"), int | float)
    valid &= bool(re.fullmatch(rf"{CENTRE}|\d+(\.\d+)?", str(case.get("holes"))))
    if not valid:
        raise ContractError(
            f"the case of a latency must have size, batch, holes and hole_ratio; got {dict(case)}"
        )


def _with_record(content: str, document: Path, record: Path) -> str:
    """Name a record in the one mark of a document."""
    found = list(_BLOCK.finditer(content))
    folder = document.parent.resolve()
    if len(found) != 1:
        raise ContractError(
            f"a record takes the place of a document's one table; {document} has {len(found)}"
        )
    if not record.resolve().is_relative_to(folder):
        raise ContractError(f"a mark must name a record beside the document; got {record}")
    start, end = found[0].span("path")
    return content[:start] + record.resolve().relative_to(folder).as_posix() + content[end:]


def _describe(measured: Measurement) -> str:
    case = " ".join(f"{name}={value}" for name, value in measured.case.items())
    return " ".join(filter(None, (measured.backend, measured.model, case)))


def _ratio(old: ByKey, new: ByKey, key: Key, baseline: str | None) -> Interval:
    """Return what became of a measurement; with a baseline, relative to it in each run."""
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
    """Report what else differs than the code."""
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
