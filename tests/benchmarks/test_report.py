"""Tables show what their records hold; README's are not stale."""

from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.record import Absent, read_record, write_record
from csakit.benchmarks.report import markdown, rewrite, rewritten
from csakit.plugins.errors import ContractError
from helpers.records import CENTRE, measured, record_of, strokes

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
    assert rows[0].startswith(
        "| `torch-python-loop`: torch-python-loop in words | 4 | 610.0 | 617.0 "
    )
    assert rows[0].endswith(" | 1 | 1.64 | 0.25 | 300 | 2.0e-05 |")
    assert rows[1].startswith("| `ort`: ort in words | 4 | 305.0 | 308.5 |  | 0.50 (0.4")
    assert "| p50 ms | centre hole | 60% holes |" in text
    assert rows[2:] == ["| `torch-python-loop` | 610.0 | 800.0 |", "| `ort` | 305.0 | 320.0 |"]


def test_the_99th_percentile_takes_a_hundred_calls() -> None:
    def row(calls: int) -> list[str]:
        text = markdown(record_of(measured("ort", [float(n) for n in range(1, calls + 1)])))
        (line,) = (line for line in text.splitlines() if line.startswith("| `"))
        return [cell.strip() for cell in line.split("|")]

    assert row(99)[2:6] == ["99", "50.0", "89.2", ""]
    assert row(100)[2:6] == ["100", "50.5", "90.1", "99.0"]


def test_a_table_ends_with_its_origin_and_its_warnings(folder: Path) -> None:
    assert markdown(read_record(folder / "a.json")).splitlines()[-3:] == [
        "Measured 2026-01-31 on A processor, 2 processors used, Linux 6.1 x86_64; csakit 0.1.0 "
        "(c0ffeec0ffee); numpy 2.4.6.",
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


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        *(
            ("a.json", path, "must name a record beside the document")
            for path in ("/etc/a.json", "../a.json", "x/../../a.json")
        ),
        ("end of", "the end of", "1 of 1 are not"),
    ],
)
def test_a_mark_names_a_record_beside_the_document_and_is_closed(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        rewritten(MARKED.replace(old, new), tmp_path)


@pytest.mark.parametrize("case", [{"channels": 512}, CENTRE | {"holes": "wide"}])
def test_a_record_of_something_else_makes_no_table(case: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="must have size, batch, holes and hole_ratio"):
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

    with pytest.raises(ContractError, match=f"one table; the document has {marks}"):
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
