"""What makes measured times doubtful; printed after a run and kept in its record."""

from collections.abc import Sequence
from typing import Final

from .distribution import drift
from .provenance import Machine
from .record import Measurement

# On a quiet machine a call of 10 ms and more varies by 1 to 3 %, and halves of a run agree to 2 %.
VARIATION_LIMIT: Final = 0.10
DRIFT_LIMIT: Final = 0.05
LOAD_LIMIT: Final = 0.5  # runnable processes besides this run; it counts one itself while it works


def doubts(machine: Machine, measurements: Sequence[Measurement]) -> list[str]:
    """Say what was not steady.

    Args:
        machine: as it was before the run.
        measurements: of the run.

    Returns:
        Sentences; empty where nothing was wrong.
    """
    found = []
    if machine.load_average is not None and machine.load_average > LOAD_LIMIT:
        found.append(
            f"the machine was busy before the run: {machine.load_average:.1f} processes wanted to "
            f"work, of {machine.logical_cpus} that can"
        )
    kinds = (
        ("the coefficient of variation is", VARIATION_LIMIT, _variation),
        ("the halves of the run differ by", DRIFT_LIMIT, lambda m: drift(m.samples_ms)),
    )
    for words, limit, measure in kinds:
        values = [(measure(measured), measured) for measured in measurements]
        beyond = [value for value in values if value[0] > limit]
        if beyond:
            worst, measured = max(beyond, key=lambda value: value[0])
            found.append(
                f"{words} more than {limit:.0%} in {len(beyond)} of {len(values)} measurements, "
                f"at worst {worst:.0%} ({measured.rival})"
            )
    return found


def _variation(measured: Measurement) -> float:
    return measured.summary.coefficient_of_variation
