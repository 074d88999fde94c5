"""Every part runs whatever the others do, and all that was found is in one record."""

import os
import platform
import sys
import time
from pathlib import Path

import pytest
from csakit.benchmarks.acceptance import session
from csakit.benchmarks.acceptance.judging import Verdict
from csakit.benchmarks.acceptance.parts import Part
from csakit.benchmarks.acceptance.running import Ended
from csakit.benchmarks.acceptance.session import accept, anonymous, make_record, summary, write
from csakit.benchmarks.record import Check
from csakit.benchmarks.record_file import read_record, write_record
from helpers.operator_records import operator_record, timed
from helpers.records import GPU

ENVIRONMENT = dict(os.environ)


def part(name: str, program: str = "pass", **fields: object) -> Part:
    """Make a part that runs a line of Python."""
    given = {"command": [sys.executable, "-c", program], "share": 1.0, **fields}
    return Part(name=name, **given)  # type: ignore[arg-type]


def outcomes(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.outcome for check in checks}


def test_a_part_that_fails_crashes_or_hangs_keeps_no_other_from_running() -> None:
    def confused(_: Ended) -> Verdict:
        raise KeyError("summary")

    parts = [
        part("good", "print('fine')"),
        part("bad", "import sys; print('cause', file=sys.stderr); sys.exit(3)"),
        part("crashing", "import os; os.abort()"),
        part("absent", command=["/no/such/program"]),
        part("unreadable", judge=confused),
        part("impossible", missing="no such tool"),
        part("hanging", "import time; print('begun', flush=True); time.sleep(60)", share=0.05),
        part("last"),
    ]

    checks = accept(parts, seconds=40, environment=ENVIRONMENT)

    assert outcomes(checks) == {
        "good": "passed",
        "bad": "failed",
        "crashing": "failed",
        "absent": "failed",
        "unreadable": "failed",
        "impossible": "skipped",
        "hanging": "failed",
        "last": "passed",
    }
    reasons = {check.name: check.reason for check in checks}
    assert reasons["bad"] == "exit code 3: cause"
    assert reasons["crashing"].startswith("exit code -6")
    assert reasons["absent"].startswith("exit code 127: cannot run")
    assert reasons["unreadable"] == "what it left cannot be read: KeyError('summary')"
    assert reasons["impossible"] == "no such tool"
    assert reasons["hanging"].startswith("stopped after ")
    assert next(check for check in checks if check.name == "hanging").output == "begun\n"


def test_each_part_has_its_share_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    clock = [0.0]

    def run(command: object, *, limit_s: float, **_: object) -> Ended:
        limits.append(limit_s)
        clock[0] += 10.0
        return Ended(code=0, output="", seconds=10.0)

    monkeypatch.setattr(session, "run", run)
    monkeypatch.setattr(session.time, "monotonic", lambda: clock[0])
    parts = [part("a", share=30.0), part("b", missing="no"), part("c", share=60.0), part("d")]

    accept(parts, seconds=91.0, environment={})

    assert limits == pytest.approx([30.0, 81.0 * 60 / 61, 71.0])


def test_all_parts_together_keep_the_time() -> None:
    hanging = [part(name, "import time; time.sleep(60)") for name in "abc"]
    start = time.monotonic()

    checks = accept(hanging, seconds=1.5, environment=ENVIRONMENT)

    assert time.monotonic() - start < 20
    assert set(outcomes(checks).values()) == {"failed"}


def test_the_parts_see_the_given_variables_and_the_checkout() -> None:
    (check,) = accept(
        [part("look", "import os; print(os.environ['COLOUR'], os.path.isfile('Makefile'))")],
        seconds=30,
        environment={**ENVIRONMENT, "COLOUR": "red"},
    )

    assert check.output == "red True\n"


def test_outcomes_are_told_as_they_come() -> None:
    said: list[str] = []

    accept([part("a"), part("b", missing="no tool")], seconds=30, environment={}, say=said.append)

    assert said[0].startswith("a: at most 30 s")
    assert said[1].startswith("  passed in ")
    assert said[2:] == ["b", "  skipped in 0 s: no tool"]


def test_a_summary_has_the_counts_and_the_reason() -> None:
    check = Check(
        name="tests", outcome="failed", reason="one failed", seconds=12.4, details={"passed": 3}
    )

    assert summary(check) == "failed in 12 s: 3 passed: one failed"


def test_more_is_kept_of_what_a_failed_part_printed() -> None:
    long = "print('x' * 100_000)"

    good, bad = accept(
        [part("good", long), part("bad", f"{long}; exit(1)")], seconds=60, environment=ENVIRONMENT
    )

    assert 1000 < len(good.output) < len(bad.output) < 10_000


def test_paths_and_the_name_of_the_host_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "secret-7.local")

    text = anonymous("built /home/me/cache/libcsakit.so on secret-7 for not-secret-7")

    assert text == "built libcsakit.so on HOST for not-secret-7"


CHECKS = (Check(name="build", outcome="passed", seconds=1.0, output="built"),)


def test_the_benchmarks_record_is_taken_into_the_one_record(tmp_path: Path) -> None:
    target = Check(name="target: fast", outcome="missed", reason="slow")
    timing = operator_record(timed("cuda", 9, 1.0, kernels_us={"chain": 0.5}), checks=(target,))
    write_record(timing, tmp_path / "attention.json")

    record = make_record(CHECKS, tmp_path / "attention.json", settings={"minutes": 7.5})

    assert record.kind == "acceptance"
    assert record.measurements == timing.measurements
    assert record.checks == (*CHECKS, target)
    assert record.settings["minutes"] == 7.5
    assert record.settings["sm_mhz"] == 2000.0
    assert isinstance(record.settings["nvcc"], str)


def test_without_the_benchmarks_record_the_checks_are_kept(tmp_path: Path) -> None:
    record = make_record(CHECKS, tmp_path / "attention.json", settings={})

    assert record.checks == CHECKS
    assert record.measurements == ()


def test_a_commit_that_is_given_is_taken(tmp_path: Path) -> None:
    record = make_record(CHECKS, tmp_path / "none.json", settings={}, commit="c0ffee" * 7)

    assert record.source.commit == "c0ffee" * 7


def test_a_record_gets_a_name_by_date_and_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(session, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(session.provenance, "first_gpu", lambda: GPU)
    monkeypatch.setattr(session.provenance, "now", lambda: "2026-01-31T12:34:56Z")

    path = write(make_record(CHECKS, tmp_path / "none.json", settings={}))

    assert path == tmp_path / "results" / "2026-01-31T1234_a-gpu_acceptance.json"
    assert read_record(path).checks == CHECKS


def test_output_that_may_not_be_kept_costs_the_output_and_nothing_else(tmp_path: Path) -> None:
    private = (Check(name="build", outcome="failed", reason="one line", output="see /a/b/c"),)
    record = make_record(private, tmp_path / "none.json", settings={})

    path = write(record, tmp_path / "record.json")

    (check,) = read_record(path).checks
    assert (check.reason, check.output) == ("one line", "")
    assert "without what the parts printed" in read_record(path).warnings[0]
