"""Regressions are beyond doubt; what the samples cannot decide is inconclusive."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.compare import compare
from csakit.benchmarks.record import Record, write_record
from csakit.plugins.errors import ContractError
from helpers.records import MACHINE, measured, record_of, strokes

CALLS = 40


def run_of(seed: int, *, ort: float = 100.0, loop: float = 300.0, **fields: object) -> Record:
    """Draw a record of two backends of given medians, steady to 2 %."""
    rng = np.random.default_rng(seed)
    runs = [
        measured(name, (median * rng.normal(1, 0.02, CALLS)).tolist(), calls_per_round=2)
        for name, median in (("ort", ort), ("loop", loop))
    ]
    return record_of(*runs, **fields)


def test_two_runs_of_one_build_show_no_regression() -> None:
    comparison = compare(run_of(0), run_of(1))

    assert comparison.verdict != "regressed"
    assert [change.after.backend for change in comparison.changes] == ["ort", "loop"]
    assert all(0.97 < change.ratio.value < 1.03 for change in comparison.changes)
    assert comparison.notes == comparison.only_before == comparison.only_after == ()


@pytest.mark.parametrize(
    ("medians", "options", "regressed"),
    [
        ({"ort": 110.0}, {}, [True, False]),
        ({"ort": 110.0}, {"limit": 1.2}, [False, False]),
        ({"ort": 50.0}, {}, [False, False]),
        # a slower machine cancels against a baseline; what fell behind it does not
        ({"ort": 130.0, "loop": 390.0}, {}, [True, True]),
        ({"ort": 130.0, "loop": 390.0}, {"relative_to": "loop"}, [False]),
        ({"ort": 120.0}, {"relative_to": "loop"}, [True]),
    ],
)
def test_what_is_slower_beyond_the_limit_regressed(
    medians: dict[str, float], options: dict[str, Any], regressed: list[bool]
) -> None:
    comparison = compare(run_of(0), run_of(1, **medians), **options)

    assert [change.verdict == "regressed" for change in comparison.changes] == regressed
    assert (comparison.verdict == "regressed") is any(regressed)


def test_an_uncertain_ratio_is_no_regression() -> None:
    few = (100.0, 140.0, 90.0, 150.0)
    fewer = (100.0, 160.0, 90.0, 180.0)

    comparison = compare(record_of(measured("ort", few)), record_of(measured("ort", fewer)))

    assert comparison.changes[0].ratio.value > 1.05
    assert comparison.verdict == "inconclusive"


def test_what_has_too_few_rounds_for_an_interval_is_inconclusive() -> None:
    comparison = compare(record_of(measured("ort", (100.0,))), record_of(measured("ort", (50.0,))))

    assert comparison.verdict == "inconclusive"
    assert str(comparison).endswith("1 of 1 cases may be beyond the limit; measure more --rounds")


def test_a_regression_is_one_whatever_else_is_inconclusive() -> None:
    unsure = measured("torch", (100.0, 140.0, 90.0, 150.0))
    before, after = run_of(0), run_of(1, ort=150.0)

    both = [record_of(*record.measurements, unsure) for record in (before, after)]

    comparison = compare(*both)
    assert comparison.verdict == "regressed"
    verdicts = [change.verdict for change in comparison.changes]
    assert verdicts == ["regressed", "unchanged", "inconclusive"]


def test_what_only_one_measured_is_listed() -> None:
    before = record_of(measured("ort"), measured("ort", case=strokes(0.3)))
    after = record_of(measured("ort"), measured("trt"))

    comparison = compare(before, after)

    assert [m.case["holes"] for m in comparison.only_before] == ["0.3"]
    assert [m.backend for m in comparison.only_after] == ["trt"]


@pytest.mark.parametrize(
    ("before", "after", "options", "reason"),
    [
        (
            *(record_of(measured("ort")), record_of(measured("trt")), {}),
            "no case of a backend in common",
        ),
        (
            *(run_of(0), run_of(0, kind="attention"), {}),
            "of one benchmark; got 'latency' and 'attention'",
        ),
        (run_of(0), run_of(1), {"relative_to": "torch"}, "'torch' must be measured on every case"),
        (
            *(record_of(measured("ort")), record_of(measured("ort", calls_per_round=2)), {}),
            "rounds of 1 and of 2 calls",
        ),
        *(
            (run_of(0), run_of(1), {"limit": limit}, "the limit must be above 0")
            for limit in (0.0, -1.0, float("inf"), float("nan"))
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    before: Record, after: Record, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        compare(before, after, **options)


def test_what_differs_besides_the_code_is_noted() -> None:
    other = dataclasses.replace(MACHINE, cpu="Another", cpus_used=(0,))
    after = run_of(1, environment=other, libraries={"numpy": "1.0"}, warnings=("it was busy",))

    assert compare(run_of(0), after).notes == (
        "environment: cpu was A processor, is Another",
        "environment: cpus_used was (0, 1), is (0,)",
        "libraries: numpy was 2.4.6, is 1.0",
        "second record: it was busy",
    )


@pytest.mark.parametrize(
    ("ort", "code", "last"),
    [
        (100.0, 0, "no regression"),
        (150.0, 1, "1 of 2 cases regressed"),
        (105.0, 4, "inconclusive: 1 of 2 cases may be beyond the limit; measure more --rounds"),
    ],
)
def test_the_command_prints_ratios_and_fails_on_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ort: float, code: int, last: str
) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, made in zip(paths, (run_of(0), run_of(1, ort=ort)), strict=True):
        write_record(made, path)

    returned = main(["compare", *map(str, paths)])

    lines = capsys.readouterr().out.splitlines()
    assert returned == code
    assert lines[-1] == last
    assert "ort demo size=256 batch=1 holes=center" in lines[1]
    assert ("REGRESSED beyond 1.05" in lines[1]) == (code == 1)


def test_the_command_refuses_what_is_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")

    assert main(["compare", str(path), str(path)]) == 2
    assert "is not a benchmark record" in capsys.readouterr().err
