"""Report of an operator benchmark: median times by holes, their slope, and the targets.

Targets are for an H200-class GPU and the captured graph; only the one against the Python loop is
for single launches, because the loop cannot be captured. Slopes leave out cases without a fill.
"""

import itertools
import statistics
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from torch.utils import benchmark

from ...plugins.spec import SIMILARITIES
from ..record import Check, Measurement, Outcome, Record, Scalar
from .cases import Case
from .implementations import NAMES

POINTS_MIN: Final = 3  # a line through two points always fits
PUBLISHED: Final = 225  # holes: the 120x120 centre of a 256x256 image
AT_MOST_US: Final = MappingProxyType({PUBLISHED: 25.0, 512: 45.0})
BATCH: Final = 16
BATCH_RATIO: Final = 3.0
TIMES_FASTER: Final = 500.0
_STATED: Final = {"channels": 512, "side": 32, "dtype": "float16"}

Family = dict[int, Measurement]  # by number of holes, ascending
Shared = tuple[tuple[str, Scalar], ...]  # what the cases of a family share


def text(record: Record) -> str:
    """Return a record as text for a terminal."""
    lines: list[str] = []
    found = families(record)
    for shared in dict.fromkeys(shared for _, shared in found):
        beside = {name: found[name, shared] for name in NAMES if (name, shared) in found}
        threads = int(record.settings.get("threads", 1))
        lines += [_table(dict(shared), beside, threads), *_slopes(beside), ""]
    lines += [f"not run: {absent.backend}: {absent.reason}" for absent in record.absent]
    lines += [f"Warning: {warning}" for warning in record.warnings]
    lines += [f"{c.outcome:<8}{c.name}: {c.reason}" for c in record.checks]
    return "\n".join(lines).rstrip()


def targets(record: Record) -> list[Check]:
    """Return a check of each target; "skipped" if the record lacks its measurements."""
    stated = {
        (name, dict(shared)["batch"], dict(shared)["similarity"]): family
        for (name, shared), family in families(record).items()
        if _STATED.items() <= dict(shared).items()
    }

    def family(name: str, batch: int = 1, similarity: str = "projection") -> Family:
        return stated.get((name, batch, similarity), {})

    graph, many = family("cuda-graph"), family("cuda-graph", BATCH)
    kernels, loop = family("cuda"), family("python-loop-cuda")
    checks = []
    for similarity, (holes, most) in itertools.product(SIMILARITIES, AT_MOST_US.items()):
        us = _us(family("cuda-graph", similarity=similarity), holes)
        name = f"{holes} holes take at most {most:.0f} us, {similarity}"
        checks.append(_verdict(name, us, us <= most, f"{us:.1f} us"))
    ratios = [_us(many, n) / _us(graph, n) for n in AT_MOST_US if n in many and n in graph]
    ratio = max(ratios, default=0.0)
    name = f"a batch of {BATCH} takes at most {BATCH_RATIO:.0f} times as long as one image"
    checks.append(_verdict(name, ratio, ratio <= BATCH_RATIO, f"{ratio:.2f} times"))
    fast, slow = _us(kernels, PUBLISHED), _us(loop, PUBLISHED)
    ratio = slow / fast if fast else 0.0
    name = f"the kernels are at least {TIMES_FASTER:.0f} times faster than the Python loop there"
    reason = f"{ratio:.0f} times: {fast:.1f} us against {slow / 1e3:.1f} ms, {PUBLISHED} holes"
    return [*checks, _verdict(name, ratio, ratio >= TIMES_FASTER, reason)]


def families(record: Record) -> dict[tuple[str, Shared], Family]:
    """Group measurements by backend and by all values of their case but the holes."""
    found: dict[tuple[str, Shared], Family] = {}
    for measured in record.measurements:
        shared = tuple((name, value) for name, value in measured.case.items() if name != "holes")
        found.setdefault((measured.backend, shared), {})[int(measured.case["holes"])] = measured
    return {key: dict(sorted(family.items())) for key, family in found.items()}


def median_ms(measured: Measurement) -> float:
    """Return the median time of one computation: on the device where there is one."""
    times = measured.device.compute_ms if measured.device else measured.samples_ms
    return statistics.median(times)


def slope(family: Family) -> tuple[float, float, float] | None:
    """Return a line fitted over holes: us without holes, us per hole, R^2; None if too few."""
    points = {
        holes: 1e3 * median_ms(measured)
        for holes, measured in family.items()
        if not Case(**dict(measured.case)).is_identity  # type: ignore[arg-type]
    }
    if len(points) < POINTS_MIN:
        return None
    holes_us = list(points), list(points.values())
    line = statistics.linear_regression(*holes_us)
    constant = len({*points.values()}) == 1
    r_squared = 1.0 if constant else statistics.correlation(*holes_us) ** 2
    return line.intercept, line.slope, r_squared


def _table(shared: Mapping[str, Scalar], beside: Mapping[str, Family], threads: int) -> str:
    """Return a table of medians: a row per number of holes, a column per implementation."""
    title = (
        f"{shared['dtype']}, {shared['similarity']}, batch {shared['batch']}, "
        f"{shared['channels']} channels, {shared['side']}x{shared['side']}; medians"
    )

    def measurement(name: str, holes: int) -> benchmark.Measurement:
        spec = benchmark.TaskSpec(
            stmt="",
            setup="",
            label=title,
            sub_label=f"{holes} holes",
            description=name,
            num_threads=threads,
        )
        return benchmark.Measurement(1, [1e-3 * median_ms(beside[name][holes])], spec)

    rows = sorted({holes for family in beside.values() for holes in family})
    cells = [measurement(name, holes) for holes in rows for name in beside if holes in beside[name]]
    return str(benchmark.Compare(cells)).strip()


def _slopes(beside: Mapping[str, Family]) -> Iterator[str]:
    for name, family in beside.items():
        if line := slope(family):
            intercept, per_hole, r_squared = line
            yield f"  {name}: {intercept:.1f} us + {per_hole:.3g} us a hole (R^2 {r_squared:.3f})"
        for holes, measured in family.items():
            if kernels := measured.device.kernels_ms if measured.device else {}:
                times = ", ".join(f"{kernel} {1e3 * ms:.1f}" for kernel, ms in kernels.items())
                yield f"  {name}, {holes} holes, us of each kernel: {times}"


def _us(family: Family, holes: int) -> float:
    """Return a median in microseconds; 0 if not measured."""
    return 1e3 * median_ms(family[holes]) if holes in family else 0.0


def _verdict(name: str, value: float, met: bool, reason: str) -> Check:
    if not value:
        return Check(name=f"target: {name}", outcome="skipped", reason="not measured in this run")
    outcome: Outcome = "met" if met else "missed"
    return Check(name=f"target: {name}", outcome=outcome, reason=reason)
