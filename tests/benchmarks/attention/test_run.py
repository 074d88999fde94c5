"""What is timed was right in that very run; what was wrong is a check and has no times."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from csakit.benchmarks.attention import run as module
from csakit.benchmarks.attention.cases import Case, Problem, make_problem
from csakit.benchmarks.attention.implementations import Implementation, Prepared
from csakit.benchmarks.attention.run import ROUNDS_MAX, ROUNDS_MIN, measure, parity
from csakit.benchmarks.record import Record
from csakit.plugins.errors import ContractError
from csakit.plugins.reference import coherent_semantic_attention

SMALL = Case(holes=9, channels=16, side=8)


def right(problem: Problem) -> Prepared:
    filled = coherent_semantic_attention(problem.features, problem.hole)
    return Prepared(lambda: None, lambda: filled.astype(np.float32))


def wrong(problem: Problem) -> Prepared:
    filled = right(problem).result()
    filled[0, 3, 2, 3] += 1e-3 * np.abs(filled).max()
    return Prepared(lambda: None, lambda: filled)


def calling(called: Callable[[], object]) -> Callable[[Problem], Prepared]:
    """Compute the right thing and note every call."""
    return lambda problem: Prepared(called, right(problem).result)


def made(name: str, prepare: object = right, **fields: object) -> Implementation:
    return Implementation(name=name, description=f"{name} in words", prepare=prepare, **fields)  # type: ignore[arg-type]


def measured(
    *implementations: Implementation, cases: tuple[Case, ...] = (SMALL,), seconds: float = 0.01
) -> Record:
    """Return the last record."""
    return list(measure(cases, implementations, seconds))[-1]


def clock(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Advance the clock by so many seconds whenever it is read."""
    seconds: Iterator[float] = itertools.count(0.0, step)
    monkeypatch.setattr(module, "timer", lambda: next(seconds))


def test_every_implementation_is_timed_on_every_case_with_its_parity() -> None:
    cases = tuple(dataclasses.replace(SMALL, holes=holes) for holes in (1, 9))

    records = list(measure(cases, [made("a"), made("b")], 0.01))

    record = records[-1]
    found = [(m.case["holes"], m.backend) for m in record.measurements]
    assert record.kind == "attention"
    assert found == [(1, "a"), (1, "b"), (9, "a"), (9, "b")]
    assert all(m.parity and m.parity.passed for m in record.measurements)
    assert all(len(m.samples_ms) >= ROUNDS_MIN for m in record.measurements)
    assert [backend.description for backend in record.backends] == ["a in words", "b in words"]
    assert record.environment.gpu is None
    # What was measured survives an interruption after any case.
    assert [len(partial.measurements) for partial in records] == [2, 4, 4]


def test_a_wrong_implementation_is_not_timed_and_the_others_are() -> None:
    record = measured(made("bad", wrong), made("good"))

    assert [m.backend for m in record.measurements] == ["good"]
    (check,) = record.checks
    assert (check.name, check.outcome) == ("bad computes what the oracle does", "failed")
    assert "9 holes: off by" in check.reason


def test_an_implementation_that_does_not_take_a_case_is_absent_once() -> None:
    picky = made("picky", refusal=lambda case: "too many" if case.holes > 1 else None)
    cases = tuple(dataclasses.replace(SMALL, holes=holes) for holes in (1, 2, 3))

    record = measured(picky, cases=cases)

    assert [(one.backend, one.reason) for one in record.absent] == [("picky", "too many")]
    assert [m.case["holes"] for m in record.measurements] == [1]


def test_implementations_are_interleaved_and_the_first_round_warms_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    monkeypatch.setattr(module, "ROUNDS_MAX", ROUNDS_MIN)
    noting = [made(name, calling(lambda name=name: order.append(name))) for name in "ab"]  # type: ignore[misc]

    record = measured(*noting, seconds=9.0)

    assert order[:2] == ["a", "b"]  # checked
    assert order[2:] == ["a", "b"] * (1 + ROUNDS_MIN)
    assert {len(m.samples_ms) for m in record.measurements} == {ROUNDS_MIN}


def test_a_gpu_is_warmed_up_for_a_time_that_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[float] = []
    clock(monkeypatch, 0.05)
    monkeypatch.setattr(module, "ROUNDS_MAX", ROUNDS_MIN)
    monkeypatch.setattr(module, "event_ms", lambda work: work() or 1.0)

    record = measured(made("a", calling(lambda: order.append(0.0)), on_gpu=True), seconds=9.0)

    rounds = len(order) - 1  # one call was checked
    assert len(record.measurements[0].samples_ms) == ROUNDS_MIN
    assert rounds > ROUNDS_MIN + 1
    assert (rounds - ROUNDS_MIN) * 3 * 0.05 >= module.GPU_WARM_UP_SECONDS  # three looks each


def test_more_time_gives_more_rounds_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0.001)

    (found,) = measured(made("a"), seconds=1000.0).measurements

    assert found.samples_ms == pytest.approx([1.0] * ROUNDS_MAX)


def test_a_sample_is_the_mean_of_its_computations(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0.012)
    many = made("many", lambda problem: dataclasses.replace(right(problem), times=2), calls=3)

    assert measured(many).measurements[0].samples_ms[0] == pytest.approx(12 / 6)


@pytest.mark.parametrize(
    ("cases", "implementations", "seconds"),
    [([], ["a"], 1.0), ([SMALL], [], 1.0), ([SMALL], ["a"], 0.0), ([SMALL], ["a"], float("nan"))],
)
def test_nothing_to_measure_is_refused(
    cases: list[Case], implementations: list[str], seconds: float
) -> None:
    with pytest.raises(ContractError, match="must have cases, backends and more than 0 seconds"):
        next(measure(cases, [made(name) for name in implementations], seconds))


@pytest.mark.parametrize(
    ("position", "value", "max_abs"), [(0, 1e-6, "inf"), (3, np.nan, "nan")], ids=["known", "hole"]
)
def test_a_changed_known_position_is_infinitely_wrong_and_nan_does_not_pass(
    position: int, value: float, max_abs: str
) -> None:
    problem = make_problem(SMALL)
    expected = right(problem).result()
    filled = expected.copy()
    filled[0, 0, position, position] += value

    found = parity(problem, filled, expected, "float32")

    assert str(found.max_abs) == max_abs
    assert not found.passed


@pytest.mark.parametrize(("storage", "passed"), [("float16", True), ("float32", False)])
def test_half_precision_may_round_once(storage: str, passed: bool) -> None:
    problem = make_problem(dataclasses.replace(SMALL, dtype="float16"))
    expected = right(problem).result()

    found = parity(problem, expected.astype(np.float16).astype(np.float32), expected, storage)

    assert found.passed is passed
