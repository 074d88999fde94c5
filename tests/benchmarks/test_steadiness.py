"""What makes times doubtful is said, with the worst of it."""

import dataclasses

from csakit.benchmarks.steadiness import doubts
from helpers.records import MACHINE, measured

STEADY = (100.0, 101.0, 100.0, 101.0)


def test_a_quiet_run_leaves_no_doubt() -> None:
    assert doubts(MACHINE, [measured("ort", STEADY), measured("torch", STEADY)]) == []


def test_a_machine_that_was_busy_is_named() -> None:
    busy = dataclasses.replace(MACHINE, load_average=3.25)

    (doubt,) = doubts(busy, [measured("ort", STEADY)])

    assert doubt == (
        "the machine was busy before the run: 3.2 processes wanted to work, of 8 that can"
    )


def test_samples_that_vary_are_named_with_the_worst() -> None:
    runs = [
        measured("ort", STEADY),
        measured("torch", (100.0, 130.0, 130.0, 100.0)),
        measured("loop", (100.0, 180.0, 180.0, 100.0)),
    ]

    (doubt,) = doubts(MACHINE, runs)

    assert "coefficient of variation is more than 10% in 2 of 3" in doubt
    assert doubt.endswith("at worst 33% (loop)")


def test_a_machine_that_slows_down_is_named() -> None:
    (doubt,) = doubts(MACHINE, [measured("ort", (100.0, 100.0, 108.0, 108.0))])

    assert doubt == (
        "the halves of the run differ by more than 5% in 1 of 1 measurements, at worst 8% (ort)"
    )


def test_an_unknown_load_is_no_doubt() -> None:
    assert doubts(dataclasses.replace(MACHINE, load_average=None), [measured("ort", STEADY)]) == []
