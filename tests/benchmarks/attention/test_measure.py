"""What is timed was right in that very run; what was wrong is a check and has no times."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from csakit.benchmarks.attention import gpu_probe
from csakit.benchmarks.attention import measure as module
from csakit.benchmarks.attention.forms import Form, Prepared, find_forms
from csakit.benchmarks.attention.measure import TURNS_MAX, TURNS_MIN, Plan, measure, parity
from csakit.benchmarks.attention.problems import Case, Problem, make_problem
from csakit.benchmarks.record_file import read_record, write_record
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


def form(name: str, prepare: object = right, **fields: object) -> Form:
    return Form(name=name, what=f"{name} in words", prepare=prepare, **fields)  # type: ignore[arg-type]


def test_every_form_is_timed_on_every_case_with_its_parity() -> None:
    cases = [dataclasses.replace(SMALL, holes=holes) for holes in (1, 9)]

    record = measure(Plan(cases=cases, forms=[form("a"), form("b")], seconds=0.01))

    assert record.kind == "attention"
    found = {(measured.rival, measured.case["holes"]) for measured in record.measurements}
    assert found == {("a", 1), ("a", 9), ("b", 1), ("b", 9)}
    assert all(measured.parity and measured.parity.passed for measured in record.measurements)
    assert all(len(measured.samples_ms) >= TURNS_MIN for measured in record.measurements)
    assert [rival.what for rival in record.rivals] == ["a in words", "b in words"]
    assert record.machine.gpu is None


def test_a_wrong_form_is_not_timed_and_the_others_are() -> None:
    record = measure(Plan(cases=[SMALL], forms=[form("bad", wrong), form("good")], seconds=0.01))

    assert [measured.rival for measured in record.measurements] == ["good"]
    (check,) = record.checks
    assert (check.name, check.outcome) == ("bad computes what the oracle does", "failed")
    assert "9 holes: off by" in check.reason
    assert [rival.name for rival in record.rivals] == ["good"]


def test_a_form_that_does_not_take_a_case_is_absent_once() -> None:
    picky = form("picky", refusal=lambda case: "too many" if case.holes > 1 else None)
    cases = [dataclasses.replace(SMALL, holes=holes) for holes in (1, 2, 3)]

    record = measure(Plan(cases=cases, forms=[picky], seconds=0.01))

    assert [(absent.rival, absent.reason) for absent in record.absent] == [("picky", "too many")]
    assert [measured.case["holes"] for measured in record.measurements] == [1]


def test_forms_take_turns_and_the_first_turn_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noting(name: str) -> Form:
        def prepare(problem: Problem) -> Prepared:
            ready = right(problem)
            return Prepared(lambda: order.append(name), ready.result)

        return form(name, prepare)

    monkeypatch.setattr(module, "TURNS_MAX", TURNS_MIN)
    record = measure(Plan(cases=[SMALL], forms=[noting("a"), noting("b")], seconds=9.0))

    checked, timed = order[:2], order[2:]
    assert checked == ["a", "b"]
    assert timed == ["a", "b"] * (1 + TURNS_MIN)
    assert {len(measured.samples_ms) for measured in record.measurements} == {TURNS_MIN}


def test_a_gpu_is_warmed_up_for_a_time_that_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[float] = []
    seconds = itertools.count(0.0, 0.05)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(seconds))
    monkeypatch.setattr(module, "TURNS_MAX", TURNS_MIN)
    monkeypatch.setattr(gpu_probe, "event_ms", lambda work: work() or 1.0)
    monkeypatch.setattr(module, "_profile", lambda *_: None)
    monkeypatch.setattr(gpu_probe, "measure_limits", dict)

    def prepare(problem: Problem) -> Prepared:
        ready = right(problem)
        return Prepared(lambda: order.append(0.0), ready.result)

    record = measure(Plan(cases=[SMALL], forms=[form("a", prepare, on_gpu=True)], seconds=9.0))

    turns = len(order) - 1  # one call was checked
    assert len(record.measurements[0].samples_ms) == TURNS_MIN
    assert turns > TURNS_MIN + 1
    assert (turns - TURNS_MIN) * 3 * 0.05 >= module.GPU_WARM_UP_SECONDS  # three looks at the clock


def test_more_time_gives_more_turns_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(0.0, 0.001)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(seconds))

    record = measure(Plan(cases=[SMALL], forms=[form("a")], seconds=1000.0))

    (measured,) = record.measurements
    assert len(measured.samples_ms) == TURNS_MAX
    assert measured.samples_ms == pytest.approx([1.0] * TURNS_MAX)


def test_a_sample_is_the_mean_of_its_computations(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(0.0, 0.012)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(seconds))
    many = form("many", lambda problem: dataclasses.replace(right(problem), times=2), calls=3)

    record = measure(Plan(cases=[SMALL], forms=[many], seconds=0.01))

    assert record.measurements[0].samples_ms[0] == pytest.approx(12 / 6)


def test_the_real_forms_of_a_processor_make_a_record_that_is_read_back(tmp_path: Path) -> None:
    forms = find_forms(["oracle", "python-loop", "torch", "ort"], threads=1)
    progress: list[str] = []

    record = measure(Plan(cases=[SMALL], forms=forms, seconds=0.01, threads=1), progress.append)

    write_record(record, tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record
    assert [measured.rival for measured in record.measurements] == [form.name for form in forms]
    assert progress == [str(SMALL)]
    assert record.settings["seed"] == 2019


@pytest.mark.parametrize(
    "change", [{"cases": []}, {"forms": []}, {"seconds": 0.0}, {"seconds": float("nan")}]
)
def test_a_plan_that_measures_nothing_is_refused(change: dict[str, object]) -> None:
    fields = {"cases": [SMALL], "forms": [form("a")], **change}

    with pytest.raises(ContractError, match="must have cases, rivals and more than 0 seconds"):
        Plan(**fields)  # type: ignore[arg-type]


def test_a_changed_known_position_is_infinitely_wrong() -> None:
    problem = make_problem(SMALL)
    expected = right(problem).result()
    filled = expected.copy()
    filled[0, 0, 0, 0] += 1e-6

    found = parity(problem, filled, expected, "float32")

    assert found.max_abs == float("inf")
    assert not found.passed


@pytest.mark.parametrize(("storage", "passed"), [("float16", True), ("float32", False)])
def test_half_precision_may_round_once(storage: str, passed: bool) -> None:
    problem = make_problem(dataclasses.replace(SMALL, dtype="float16"))
    expected = right(problem).result()

    found = parity(problem, expected.astype(np.float16).astype(np.float32), expected, storage)

    assert found.passed is passed


def test_a_result_that_is_no_number_does_not_pass() -> None:
    problem = make_problem(SMALL)
    expected = right(problem).result()
    filled = expected.copy()
    filled[0, 0, 3, 3] = np.nan

    assert not parity(problem, filled, expected, "float32").passed
