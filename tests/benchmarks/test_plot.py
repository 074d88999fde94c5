"""A plot draws every sample of a record, and is the same file every time."""

import re
import sys
from pathlib import Path

import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.plot import plot
from csakit.benchmarks.record import Record, write_record
from csakit.plugins.errors import ContractError, LibraryError
from helpers.records import CENTRE, EXACT, measured, record_of, strokes
from PIL import Image


@pytest.fixture
def record() -> Record:
    """Two backends on three cases of one size, and one on another."""
    return record_of(
        *(
            measured(backend, (base, base + 1, base + 2), case, parity=parity)
            for case in (CENTRE, strokes(0.1), strokes(0.6))
            for backend, base, parity in (
                ("torch", 100.0, EXACT),
                ("ort", 70.0, measured("").parity),
            )
        ),
        measured("ort", case=CENTRE | {"size": 512}),
    )


def test_an_svg_names_every_backend_and_case(record: Record, tmp_path: Path) -> None:
    plot(record, tmp_path / "plot.svg")

    text = (tmp_path / "plot.svg").read_text()
    comments = set(re.findall("<!-- (.*?) -->", text))  # matplotlib writes what it draws as paths
    assert {"demo, 256x256, batch 1", "demo, 512x512, batch 1"} <= comments
    assert {"torch (equal)", "ort", "holes: center", "accuracy and latency"} <= comments


def test_a_record_gives_the_same_file_twice(record: Record, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot(record, tmp_path / name)

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_has_a_row_of_three_plots_for_each_size(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(record, tmp_path / "record.json")

    code = main(["plot", str(tmp_path / "record.json"), "-o", str(tmp_path / "plot.png")])

    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (1920, 1104)
        assert len(set(picture.convert("RGB").get_flattened_data())) > 100
    assert code == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'plot.png'}\n"


def test_another_suffix_is_refused(record: Record, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"must end in .png or .svg; got plot.pdf"):
        plot(record, tmp_path / "plot.pdf")


def test_another_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="a latency record with measurements is needed"):
        plot(record_of(measured("ort"), kind="attention"), tmp_path / "plot.png")


def test_without_matplotlib_the_extra_is_named(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(LibraryError, match=r"pip install 'csakit\[bench\]'"):
        plot(record, tmp_path / "plot.png")
    assert list(tmp_path.iterdir()) == []
