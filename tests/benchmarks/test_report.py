"""Tables show what their records hold; README's are not stale; regressions are beyond doubt."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.record import Absent, Record, read_record, write_record
from csakit.benchmarks.report import compare, markdown, rewrite, rewritten
from csakit.plugins.errors import ContractError
from helpers.records import CENTRE, MACHINE, measured, record_of, strokes

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for folder in (".", "benchmarks", "docs") for path in (ROOT / folder).glob("*.md")
)
MARKED = "before\n<!-- benchmark: a.json -->\nold\n<!-- end of benchmark -->\nafter\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with a record and a document that names it."""
    record = record_of(
        measured("torch-python-loop", (600.0, 620.0, 610.0, 610.0)),
        measured("ort", (300.0, 310.0, 305.0, 305.0)),
        measured("torch-python-loop", (800.0,), strokes(0.6)),
        measured("ort", (320.0,), strokes(0.6)),
        absent=(Absent(backend="rtx", reason="tensorrt_rtx is not installed"),),
        warnings=("it was busy",),
    )
    write_record(record, tmp_path / "a.json")
    (tmp_path / "README.md").write_text(MARKED)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_tables_are_those_of_their_records(document: Path) -> None:
    text = document.read_text()

    assert rewritten(text, document.parent) == text


def test_committed_records_can_be_read() -> None:
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        record = read_record(path)
        assert record.measurements


def test_a_table_has_every_backend_beside_the_loop(folder: Path) -> None:
    text = markdown(read_record(folder / "a.json"))

    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert "demo, 256x256, batch 1, centre hole, width 16:" in text
    assert rows[0].startswith("| `torch-python-loop`: torch-python-loop in words | 610.0 | 617.0 ")
    assert rows[0].endswith(" | 1 | 1.64 | 0.25 | 300 | 2.0e-05 |")
    assert rows[1].startswith("| `ort`: ort in words | 305.0 | 308.5 | 309.9 | 0.50 (0.4")
    assert "| p50 ms | centre hole | 60% holes |" in text
    assert rows[2:] == ["| `torch-python-loop` | 610.0 | 800.0 |", "| `ort` | 305.0 | 320.0 |"]


def test_a_table_says_where_it_is_from_and_its_warnings(folder: Path) -> None:
    assert markdown(read_record(folder / "a.json")).splitlines()[-3:] == [
        "Measured 2026-01-31 on A processor, 2 processors used, Linux 6.1 x86_64; csakit 0.1.0 "
        "(c0ffeec0ffee); numpy 2.4.6; 4 calls each.",
        "Not measured: rtx: tensorrt_rtx is not installed.",
        "Warning: it was busy.",
    ]


def test_what_is_outside_of_the_marks_is_left_alone(folder: Path) -> None:
    assert rewrite(folder / "README.md")

    text = (folder / "README.md").read_text()
    assert text.startswith("before\n<!-- benchmark: a.json -->\n\ndemo, 256x256")
    assert text.endswith("\n\n<!-- end of benchmark -->\nafter\n")
    assert not rewrite(folder / "README.md")
    assert not rewrite(folder / "README.md", check=True)


def test_a_changed_table_is_stale(folder: Path) -> None:
    rewrite(folder / "README.md")
    document = folder / "README.md"
    document.write_text(document.read_text().replace("305.0", "205.0"))

    assert rewrite(document, check=True)
    assert "205.0" in document.read_text()


@pytest.mark.parametrize("path", ["/etc/a.json", "../a.json", "x/../../a.json"])
def test_a_mark_names_a_record_beside_the_document(tmp_path: Path, path: str) -> None:
    with pytest.raises(ContractError, match="must name a record beside the document"):
        rewritten(MARKED.replace("a.json", path), tmp_path)


def test_a_mark_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="1 of 1 are not"):
        rewritten(MARKED.replace("end of", "the end of"), tmp_path)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"channels": 512}, "must have size, batch, holes and hole_ratio"),
        (CENTRE | {"holes": "wide"}, "must have size, batch, holes and hole_ratio"),
    ],
)
def test_a_record_of_something_else_makes_no_table(case: dict[str, str], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        markdown(record_of(measured("ort", case=case)))
    with pytest.raises(ContractError, match="of kind 'attention'"):
        markdown(record_of(measured("ort"), kind="attention"))


def test_a_record_takes_the_place_of_the_one_that_a_mark_names(folder: Path) -> None:
    document = folder / "README.md"
    document.write_text(MARKED.replace("a.json", "old.json"))

    assert rewrite(document, folder / "a.json")

    assert "<!-- benchmark: a.json -->\n\ndemo, 256x256" in document.read_text()
    assert not rewrite(document, check=True)


@pytest.mark.parametrize("marks", [0, 2])
def test_a_record_takes_the_place_of_one_table_only(folder: Path, marks: int) -> None:
    document = folder / "README.md"
    document.write_text(MARKED * marks)

    with pytest.raises(ContractError, match=f"one table; .*README.md has {marks}"):
        rewrite(document, folder / "a.json")


def test_a_record_elsewhere_is_not_marked(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(ContractError, match="must name a record beside the document"):
        rewrite(folder / "README.md", tmp_path_factory.mktemp("elsewhere") / "a.json")

    assert (folder / "README.md").read_text() == MARKED


def test_the_command_prints_checks_and_writes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = str(folder / "README.md")

    assert main(["table", "--into", document, "--check"]) == 1
    assert main(["table", "--into", document]) == 0
    assert main(["table", "--into", document, "--check"]) == 0
    assert main(["table", str(folder / "a.json")]) == 0
    assert main(["table", str(folder / "a.json"), "--into", document]) == 0
    assert main(["table"]) == 2
    assert main(["table", str(folder / "a.json"), "--into", document, "--check"]) == 2
    assert "Measured 2026-01-31 on A processor" in capsys.readouterr().out


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

    assert not comparison.regressed
    assert [change.after.backend for change in comparison.changes] == ["ort", "loop"]
    assert all(0.97 < change.ratio.value < 1.03 for change in comparison.changes)
    assert comparison.notes == comparison.only_before == comparison.only_after == ()


def test_what_is_slower_beyond_the_limit_regressed() -> None:
    comparison = compare(run_of(0), run_of(1, ort=110.0))

    assert comparison.regressed
    assert [change.regressed for change in comparison.changes] == [True, False]


def test_what_is_slower_within_the_limit_did_not_regress() -> None:
    assert not compare(run_of(0), run_of(1, ort=110.0), limit=1.2).regressed


def test_what_is_faster_did_not_regress() -> None:
    assert not compare(run_of(0), run_of(1, ort=50.0)).regressed


def test_an_uncertain_ratio_is_no_regression() -> None:
    few = (100.0, 140.0, 90.0, 150.0)
    fewer = (100.0, 160.0, 90.0, 180.0)

    comparison = compare(record_of(measured("ort", few)), record_of(measured("ort", fewer)))

    assert comparison.changes[0].ratio.value > 1.05
    assert not comparison.regressed


def test_a_slower_machine_cancels_against_a_baseline() -> None:
    before, slower = run_of(0), run_of(1, ort=130.0, loop=390.0)

    assert compare(before, slower).regressed
    comparison = compare(before, slower, relative_to="loop")
    assert not comparison.regressed
    assert [change.after.backend for change in comparison.changes] == ["ort"]


def test_a_backend_that_fell_behind_its_baseline_regressed() -> None:
    assert compare(run_of(0), run_of(1, ort=120.0), relative_to="loop").regressed


def test_a_baseline_must_be_measured() -> None:
    with pytest.raises(ContractError, match="'torch' must be measured on every case"):
        compare(run_of(0), run_of(1), relative_to="torch")


def test_what_only_one_measured_is_listed() -> None:
    before = record_of(measured("ort"), measured("ort", case=strokes(0.3)))
    after = record_of(measured("ort"), measured("trt"))

    comparison = compare(before, after)

    assert [m.case["holes"] for m in comparison.only_before] == ["0.3"]
    assert [m.backend for m in comparison.only_after] == ["trt"]


def test_records_without_a_common_case_are_refused() -> None:
    with pytest.raises(ContractError, match="no case of a backend in common"):
        compare(record_of(measured("ort")), record_of(measured("trt")))


def test_records_of_different_benchmarks_are_refused() -> None:
    with pytest.raises(ContractError, match="of one benchmark; got 'latency' and 'attention'"):
        compare(run_of(0), run_of(0, kind="attention"))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_is_a_ratio(limit: float) -> None:
    with pytest.raises(ContractError, match="the limit must be above 0"):
        compare(run_of(0), run_of(1), limit=limit)


def test_rounds_must_be_alike() -> None:
    with pytest.raises(ContractError, match="rounds of 1 and of 2 calls"):
        compare(record_of(measured("ort")), record_of(measured("ort", calls_per_round=2)))


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
    ("ort", "code", "last"), [(100.0, 0, "no regression"), (150.0, 1, "1 of 2 cases regressed")]
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
