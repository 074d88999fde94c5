"""A latency record as text: what every rival took, how it starts, and what is doubtful."""

from collections.abc import Iterator, Sequence
from typing import Final

from .distribution import ratio_of_medians
from .latency.backends import LOOP
from .record import Measurement, Record, Rival

_MIB: Final = 1 << 20


def text(record: Record) -> str:
    """Write a record for a terminal.

    Args:
        record: of kind "latency".

    Returns:
        Tables, and what is doubtful.
    """
    cases = list(dict.fromkeys((m.model, tuple(m.case.items())) for m in record.measurements))
    lines = []
    for model, case in cases:
        group = [
            m for m in record.measurements if (m.model, tuple(m.case.items())) == (model, case)
        ]
        lines += [_title(group[0]), *_rows(group), ""]
    lines += [*_starts(record.rivals), ""]
    lines += [f"absent: {one.rival}: {one.reason}" for one in record.absent]
    lines += [f"warning: {warning}" for warning in record.warnings]
    return "\n".join(lines).rstrip()


def _title(measured: Measurement) -> str:
    case = measured.case
    return (
        f"{measured.model}, {case['size']}x{case['size']}, batch {case['batch']}, holes "
        f"{case['holes']} ({case['hole_ratio']:.1%} of the image, {case['feature_holes']:g} "
        "positions)"
    )


def _rows(group: Sequence[Measurement]) -> Iterator[str]:
    yield (
        f"  {'rival':<20} {'p50 ms':>9} {'p90':>9} {'p95':>9} {'p99':>9} {'max':>9} {'CV':>6} "
        f"{'images/s':>9}  {'of the loop':<18} {'max abs':>8}"
    )
    loop = next((m for m in group if m.rival == LOOP), None)
    for measured in group:
        s = measured.summary
        ratio = ""
        if loop is not None and loop is not measured:
            turn = measured.calls_per_turn
            ratio = str(ratio_of_medians(measured.samples_ms, loop.samples_ms, turn=turn))
        error = "" if measured.parity is None else f"{measured.parity.max_abs:.1e}"
        yield (
            f"  {measured.rival:<20} {s.p50_ms:>9.2f} {s.p90_ms:>9.2f} {s.p95_ms:>9.2f} "
            f"{s.p99_ms:>9.2f} {s.max_ms:>9.2f} {s.coefficient_of_variation:>6.1%} "
            f"{s.items_per_s:>9.2f}  {ratio:<18} {error:>8}"
        )


def _starts(rivals: Sequence[Rival]) -> Iterator[str]:
    yield "cold start, medians of fresh processes, and peak memory of the host"
    yield (
        f"  {'rival':<20} {'import ms':>10} {'load':>9} {'first':>9} {'total':>9} "
        f"{'first MiB':>10} {'run MiB':>9}"
    )
    for rival in rivals:
        starts = rival.cold_starts
        times = "".join(
            f" {_middle([getattr(start, name) for start in starts]):>{width}}"
            for name, width in (("import_ms", 10), ("load_ms", 9), ("first_ms", 9), ("total_ms", 9))
        )
        peaks = [start.peak_host_bytes for start in starts if start.peak_host_bytes is not None]
        yield (
            f"  {rival.name:<20}{times} {_mebibytes(max(peaks, default=None)):>10} "
            f"{_mebibytes(rival.peak_host_bytes):>9}  {rival.model or ''}"
        )


def _middle(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.0f}" if values else "-"


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / _MIB:.0f}"
