"""The stated targets of the kernels, read off a record: met, missed, or not measured.

They are stated for an H200-class GPU, float16, 512 channels, 32x32; the last for every GPU.
Times are those of the device: of the captured graph, except against the Python loop, which no
graph can hold and which is compared with kernels launched one by one.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ..record import Check, Outcome, Record, Scalar
from .growth import Family, families, median_ms

GRAPH: Final = "cuda-graph"
EAGER: Final = "cuda"
LOOP: Final = "python-loop-cuda"
PUBLISHED: Final = 225  # holes: the 120x120 centre of a 256x256 image
HALF: Final = 512  # holes: half of the positions
AT_MOST_US: Final = MappingProxyType({PUBLISHED: 25.0, HALF: 45.0})
BATCH: Final = 16
BATCH_RATIO: Final = 3.0
CYCLES_PER_HOLE: Final = 100.0
TIMES_FASTER: Final = 500.0


def goals(record: Record) -> list[Check]:
    """Compare a record with the targets.

    Args:
        record: of the operator.

    Returns:
        One check a target; "skipped" where the record lacks what it needs.
    """
    found = {
        (family.rival, int(family.case["batch"])): family
        for family in families(record)
        if _is_stated(family.case)
    }
    return [
        *_latencies(found.get((GRAPH, 1))),
        _batch(found.get((GRAPH, 1)), found.get((GRAPH, BATCH))),
        _cycles(found.get((EAGER, 1)), found.get((GRAPH, 1)), record.settings.get("sm_mhz")),
        _loop(found.get((EAGER, 1)), found.get((LOOP, 1))),
    ]


def _is_stated(case: Mapping[str, Scalar]) -> bool:
    stated = {"channels": 512, "side": 32, "dtype": "float16", "similarity": "projection"}
    return all(case.get(name) == value for name, value in stated.items())


def _latencies(family: Family | None) -> Iterator[Check]:
    for holes, most in AT_MOST_US.items():
        name = f"{holes} holes take at most {most:.0f} us"
        us = _us(family, holes)
        yield _verdict(name, us, most, f"{us:.1f} us") if us else _unmeasured(name)


def _batch(one: Family | None, many: Family | None) -> Check:
    name = f"a batch of {BATCH} takes at most {BATCH_RATIO:.0f} times as long as one image"
    pairs = [(_us(many, holes), _us(one, holes)) for holes in AT_MOST_US]
    ratios = [above / below for above, below in pairs if above and below]
    if not ratios:
        return _unmeasured(name)
    return _verdict(name, max(ratios), BATCH_RATIO, f"{max(ratios):.2f} times")


def _cycles(eager: Family | None, graph: Family | None, mhz: Scalar | None) -> Check:
    """Take the slope of the serial kernel alone, or, without a profile, of all kernels."""
    name = f"the serial chain takes at most {CYCLES_PER_HOLE:.0f} cycles a hole"
    line, of = eager.chain_line if eager else None, "the chain kernel"
    if line is None:
        line, of = graph.line if graph else None, "all kernels, which is more than the chain"
    if line is None or not isinstance(mhz, int | float):
        return _unmeasured(name)
    cycles = line.slope_us * mhz
    return _verdict(
        name, cycles, CYCLES_PER_HOLE, f"{cycles:.0f} cycles at {mhz:.0f} MHz, slope of {of}"
    )


def _loop(kernels: Family | None, loop: Family | None) -> Check:
    name = f"the kernels are at least {TIMES_FASTER:.0f} times faster than the Python loop there"
    fast, slow = _us(kernels, PUBLISHED), _us(loop, PUBLISHED)
    if not fast or not slow:
        return _unmeasured(name)
    ratio = slow / fast
    text = f"{ratio:.0f} times: {fast:.1f} us against {slow / 1e3:.1f} ms, {PUBLISHED} holes"
    return _verdict(name, -ratio, -TIMES_FASTER, text)


def _us(family: Family | None, holes: int) -> float:
    """Give a median in microseconds; 0 where it was not measured."""
    measured = family.measured.get(holes) if family else None
    return 1e3 * median_ms(measured) if measured else 0.0


def _verdict(name: str, value: float, most: float, text: str) -> Check:
    outcome: Outcome = "met" if value <= most else "missed"
    return Check(name=f"target: {name}", outcome=outcome, reason=text)


def _unmeasured(name: str) -> Check:
    return Check(name=f"target: {name}", outcome="skipped", reason="not measured in this run")
