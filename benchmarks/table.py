"""A latency record as Markdown, and documents that hold such tables between marks.

In a document::

    <!-- benchmark: benchmarks/results/NAME.json -->
    what `csakit bench table` writes
    <!-- end of benchmark -->

The mark names the record, relative to the document's folder, so that the table cannot drift
from it unseen: a test writes it again and compares. A mark that names "none" waits for one.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..plugins.errors import ContractError
from ..runtime.files.atomic import staged
from .distribution import ratio_of_medians, summarise
from .latency.backends import LOOP
from .latency.records import grouped, holes, of_first_case, title
from .record import Measurement, Record, Rival
from .record_file import read_record

_BLOCK: Final = re.compile(
    r"(?P<open>^<!-- benchmark: (?P<path>\S+) -->\n)(?P<table>.*?)"
    r"(?P<close>^<!-- end of benchmark -->$)",
    re.MULTILINE | re.DOTALL,
)
NONE: Final = "none"
_WAITING: Final = "Not measured yet: no record is committed.\n"
_MIB: Final = 1 << 20
_COMMIT_DIGITS: Final = 12


def rewritten(document: str, folder: Path) -> str:
    """Write every marked table of a document again.

    Args:
        document: its text.
        folder: that the marks are relative to.

    Returns:
        The text with tables as their records have them.

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
        if found["path"] == NONE:
            return f"{found['open']}\n{_WAITING}\n{found['close']}"
        path = Path(found["path"])
        if path.is_absolute() or ".." in path.parts:
            raise ContractError(f"a mark must name a record beside the document; got {path}")
        return f"{found['open']}\n{markdown(read_record(folder / path))}\n{found['close']}"

    return _BLOCK.sub(table, document)


def rewrite(document: Path, record: Path | None = None) -> bool:
    """Write every marked table of a file again; an interrupted call leaves no half file.

    Args:
        document: a text file.
        record: that its one mark names from now on; None leaves the marks as they are.

    Returns:
        Whether it changed.

    Raises:
        ContractError: it cannot be read or written, a record is given and it has more marks or
            none, or as ``rewritten``.
    """
    before = _text(document)
    marked = before if record is None else _pointed(before, document, record)
    after = rewritten(marked, document.parent)
    if after != before:
        with staged(document) as temporary:
            temporary.write_text(after)
    return after != before


def _pointed(text: str, document: Path, record: Path) -> str:
    """Let the one mark of a document name a record."""
    found = list(_BLOCK.finditer(text))
    folder = document.parent.resolve()
    if len(found) != 1:
        raise ContractError(
            f"a record takes the place of a document's one table; {document} has {len(found)}"
        )
    if not record.resolve().is_relative_to(folder):
        raise ContractError(f"a mark must name a record beside the document; got {record}")
    start, end = found[0].span("path")
    return text[:start] + record.resolve().relative_to(folder).as_posix() + text[end:]


def is_stale(document: Path) -> bool:
    """Say whether a table of a file is another one than its record gives.

    Args:
        document: a text file.

    Returns:
        Whether ``rewrite`` would change it.

    Raises:
        ContractError: as ``rewritten``.
    """
    text = _text(document)
    return rewritten(text, document.parent) != text


def markdown(record: Record) -> str:
    """Write the tables of a record.

    Args:
        record: of kind "latency".

    Returns:
        Lines, the last one ended: for each model, size and batch a table of the rivals on the
        first case, and one of medians by holes where there are more; then the provenance.

    Raises:
        ContractError: the record is of another benchmark.
    """
    lines: list[str] = []
    for group in grouped(record):
        lines += [*_rivals(record, group), "", *_by_holes(group)]
    return "\n".join([*lines, *_provenance(record)]) + "\n"


def _rivals(record: Record, group: Sequence[Measurement]) -> Iterator[str]:
    first = of_first_case(group)
    model = next((model for model in record.models if model.name == group[0].model), None)
    width = f", width {model.width}" if model else ""
    yield f"{title(group[0])}, {holes(group[0])}{width}:"
    yield ""
    yield (
        "| | p50 ms | p90 | p99 | of the loop (95 %) | images/s | cold start s | peak MiB "
        "| max abs error |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    loop = next((measured for measured in first if measured.rival == LOOP), None)
    rivals = {(rival.model, rival.name): rival for rival in record.rivals}
    for measured in first:
        rival = rivals[measured.model, measured.rival]
        s = measured.summary
        error = "" if measured.parity is None else f"{measured.parity.max_abs:.1e}"
        yield (
            f"| `{rival.name}`: {rival.what} | {s.p50_ms:.1f} | {s.p90_ms:.1f} | {s.p99_ms:.1f} "
            f"| {_of_loop(measured, loop)} | {s.items_per_s:.2f} | {_start(rival)} "
            f"| {_peak(rival)} | {error} |"
        )


def _by_holes(group: Sequence[Measurement]) -> Iterator[str]:
    found = {(measured.rival, holes(measured)): measured for measured in group}
    rivals, columns = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    if len(columns) < 2:
        return
    yield f"| p50 ms | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for rival in rivals:
        cells = [found.get((rival, column)) for column in columns]
        medians = [f"{cell.summary.p50_ms:.1f}" if cell else "" for cell in cells]
        yield f"| `{rival}` | {' | '.join(medians)} |"
    yield ""


def _provenance(record: Record) -> Iterator[str]:
    machine, source = record.machine, record.source
    cpus = "" if machine.cpus_used is None else f", {len(machine.cpus_used)} processors used"
    commit = source.commit[:_COMMIT_DIGITS] if source.commit else "no commit"
    changed = ", with changes" if source.dirty else ""
    versions = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    calls = f"{record.measurements[0].summary.calls} calls each" if record.measurements else ""
    gpu = f", {machine.gpu.name}" if machine.gpu else ""
    yield (
        f"Measured {record.date[:10]} on {machine.cpu}{cpus}{gpu}, {machine.system}; csakit "
        f"{source.version} ({commit}{changed}); {versions}; {calls}."
    )
    yield from (f"Not measured: {one.rival}: {one.reason}." for one in record.absent)
    yield from (f"Doubtful: {warning}." for warning in record.warnings)


def _of_loop(measured: Measurement, loop: Measurement | None) -> str:
    if loop is None:
        return ""
    if loop is measured:
        return "1"
    turn = measured.calls_per_turn
    return str(ratio_of_medians(measured.samples_ms, loop.samples_ms, turn=turn))


def _start(rival: Rival) -> str:
    if not rival.cold_starts:
        return ""
    median = summarise([start.total_ms for start in rival.cold_starts]).p50_ms
    return f"{median / 1e3:.2f}"


def _peak(rival: Rival) -> str:
    return "" if rival.peak_host_bytes is None else f"{rival.peak_host_bytes / _MIB:.0f}"


def _text(document: Path) -> str:
    try:
        return document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot read {document}: {error}") from error
