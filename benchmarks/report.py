"""Latency records as text, and as Markdown tables in documents.

In a document `<!-- benchmark: RECORD.json -->`, relative to its folder, names the record of the
table that ends at `<!-- end of benchmark -->`; a test writes it again and compares.
"""

import os
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..plugins.errors import ContractError
from ..runtime.files.atomic import atomic_write
from .latency.backends import BASELINE
from .latency.plan import CENTRE
from .record import Backend, Measurement, Record, read_record
from .stats import ratio_of_medians

Group = list[Measurement]

_BLOCK: Final = re.compile(
    r"^<!-- benchmark: (?P<path>\S+) -->\n.*?(?P<close>^<!-- end of benchmark -->$)",
    re.MULTILINE | re.DOTALL,
)
_TEXT_HEAD: Final = (
    *("backend", "calls", "p50 ms", "p90", "p95", "p99", "max", "CV", "images/s", "of the loop"),
    "max abs",
)
_STARTS_HEAD: Final = (
    *("backend", "import ms", "load", "first", "total", "first MiB", "run MiB", "model"),
)
_MIB: Final = 1 << 20
_P99_CALLS: Final = 100  # with fewer, the 99th percentile is nearly the maximum
_COMMIT_DIGITS: Final = 12


def grouped(record: Record) -> list[Group]:
    """Return the measurements grouped by model, size and batch, one group per table."""
    if record.kind != "latency" or not record.measurements:
        raise ContractError(
            "a latency record with measurements is needed; got one of kind "
            f"{record.kind!r} with {len(record.measurements)}"
        )
    groups: dict[tuple[object, ...], Group] = {}
    for measured in record.measurements:
        case = measured.case
        valid = all(isinstance(case.get(name), int) for name in ("size", "batch"))
        valid &= isinstance(case.get("hole_ratio"), int | float)
        if not valid or not re.fullmatch(rf"{CENTRE}|\d+(\.\d+)?", str(case.get("holes"))):
            raise ContractError(
                "the case of a latency must have size, batch, holes and hole_ratio; got "
                f"{dict(case)}"
            )
        key = (measured.model, measured.case["size"], measured.case["batch"])
        groups.setdefault(key, []).append(measured)
    return list(groups.values())


def first_case(group: Sequence[Measurement]) -> Group:
    """Return the measurements of the first case; by default the centre hole."""
    return [measured for measured in group if measured.case == group[0].case]


def heading(measured: Measurement) -> str:
    """Return the heading of a group: its model, or else its backend; size and batch."""
    size = measured.case["size"]
    return f"{measured.model or measured.backend}, {size}x{size}, batch {measured.case['batch']}"


def text(record: Record) -> str:
    """Return a latency record as text: every case, every cold start, every warning."""
    lines = []
    for group in grouped(record):
        for case in dict.fromkeys(tuple(measured.case.items()) for measured in group):
            measurements = [m for m in group if tuple(m.case.items()) == case]
            c = measurements[0].case
            lines.append(
                f"{heading(group[0])}, holes {c['holes']} ({c['hole_ratio']:.1%} of the image, "
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
    """Return the tables of a record in Markdown, with their provenance."""
    lines: list[str] = []
    for group in grouped(record):
        lines += [*_table(record, group), "", *_table_by_holes(group)]
    return "\n".join([*lines, *_provenance(record)]) + "\n"


def rewritten(document: str, folder: Path, record: Path | None = None) -> str:
    """Return a document with its marked tables updated from their records."""
    marks, blocks = document.count("<!-- benchmark: "), len(_BLOCK.findall(document))
    if marks != blocks:
        raise ContractError(
            f"every '<!-- benchmark: FILE -->' must have a line of its own and be followed by "
            f"'<!-- end of benchmark -->'; {marks - blocks} of {marks} are not"
        )
    if record is not None and blocks != 1:
        raise ContractError(
            f"a record takes the place of a document's one table; the document has {blocks}"
        )

    def table(found: re.Match[str]) -> str:
        path = Path(found["path"])
        if record is not None:
            path = Path(os.path.relpath(record.resolve(), folder.resolve()))
        if path.is_absolute() or ".." in path.parts:
            raise ContractError(f"a mark must name a record beside the document; got {path}")
        new = markdown(read_record(folder / path))
        return f"<!-- benchmark: {path.as_posix()} -->\n\n{new}\n{found['close']}"

    return _BLOCK.sub(table, document)


def rewrite(document: Path, record: Path | None = None, *, check: bool = False) -> bool:
    """Update the marked tables of a file, unless ``check``; return whether they changed."""
    try:
        before = document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot read {document}: {error}") from error
    after = rewritten(before, document.parent, record)
    if after != before and not check:
        with atomic_write(document) as temporary:
            temporary.write_text(after)
    return after != before


def _text_row(measured: Measurement, group: Group) -> list[str]:
    s = measured.summary
    times = [f"{ms:.2f}" for ms in (s.p50_ms, s.p90_ms, s.p95_ms)]
    times += [f"{s.p99_ms:.2f}" if s.calls >= _P99_CALLS else "-", f"{s.max_ms:.2f}"]
    cells = [measured.backend, str(s.calls), *times, f"{s.coefficient_of_variation:.1%}"]
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
    """Align rows below their head; leave out columns without values."""
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    rows = [*zip(*kept, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  {'  '.join(cells)}"


def _table(record: Record, group: Group) -> Iterator[str]:
    first = first_case(group)
    model = next((model for model in record.models if model.name == group[0].model), None)
    width = f", width {model.width}" if model else ""
    yield f"{heading(group[0])}, {_holes(group[0])}{width}:"
    yield ""
    yield (
        "| | calls | p50 ms | p90 | p99 | of the loop (95 %) | images/s | cold start s | peak MiB "
        "| max abs error |"
    )
    yield "|---|" + "--:|" * 9
    backends = {(backend.model, backend.name): backend for backend in record.backends}
    for measured in first:
        backend, s = backends[measured.model, measured.backend], measured.summary
        peak = "" if backend.peak_host_bytes is None else _mebibytes(backend.peak_host_bytes)
        p99 = f"{s.p99_ms:.1f}" if s.calls >= _P99_CALLS else ""
        totals = [start.total_ms / 1e3 for start in backend.cold_starts]
        cold_start = f"{statistics.median(totals):.2f}" if totals else ""
        yield (
            f"| `{backend.name}`: {backend.description} | {s.calls} | {s.p50_ms:.1f} "
            f"| {s.p90_ms:.1f} | {p99} | {_of_baseline(measured, first, '1')} "
            f"| {s.items_per_s:.2f} | {cold_start} | {peak} | {_max_abs(measured)} |"
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
        f"{source.version} ({commit}{changed}); {versions}."
    )
    yield from (f"Not measured: {one.backend}: {one.reason}." for one in record.absent)
    yield from (f"Warning: {warning}." for warning in record.warnings)


def _of_baseline(measured: Measurement, group: Group, own: str) -> str:
    """Return the ratio to the baseline on the same case; ``own`` for the baseline itself."""
    loop = next((m for m in group if m.backend == BASELINE), None)
    if loop is None or loop is measured:
        return own if loop else ""
    per_round = measured.calls_per_round
    return str(ratio_of_medians(measured.samples_ms, loop.samples_ms, per_round=per_round))


def _max_abs(measured: Measurement) -> str:
    return "" if measured.parity is None else f"{measured.parity.max_abs:.1e}"


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / _MIB:.0f}"


def _holes(measured: Measurement) -> str:
    holes = str(measured.case["holes"])
    return "centre hole" if holes == CENTRE else f"{float(holes):.0%} holes"
