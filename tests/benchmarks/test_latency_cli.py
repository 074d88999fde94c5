"""``csakit bench latency``: its arguments, and a whole run that checks every rival."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.latency import run
from csakit.benchmarks.latency.plan import QUICK, Plan
from csakit.benchmarks.latency.subjects import Subject
from csakit.benchmarks.record import Record
from csakit.benchmarks.record_file import read_record
from csakit.plugins.errors import ParityError
from helpers.records import measured, record_of


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Plan]]:
    """Keep what would be measured: names of the models, and the plan."""
    seen: list[tuple[list[str], Plan]] = []

    def measure(subjects: Sequence[Subject], plan: Plan, *_: object) -> Record:
        seen.append(([subject.model.name for subject in subjects], plan))
        return record_of(measured("torch-python-loop"), measured("ort"))

    monkeypatch.setattr(run, "measure", measure)
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--backends", "ort, torch"], {"backends": ("ort", "torch")}),
        (["--sizes", "256,512", "--batches", "1,4"], {"sizes": (256, 512), "batches": (1, 4)}),
        (["--hole-ratios", "center,0.25"], {"holes": ("center", "0.25")}),
        (
            ["--threads", "1", "--rounds", "5", "--calls", "2", "--cold-starts", "0"],
            {"threads": 1, "rounds": 5, "calls": 2, "cold_starts": 0},
        ),
    ],
)
def test_arguments_become_the_plan(
    plans: list[tuple[list[str], Plan]], arguments: list[str], expected: dict[str, Any]
) -> None:
    assert main(["latency", *arguments]) == 0
    assert main(["latency", "--quick", *arguments]) == 0

    assert plans == [
        (["demo"], dataclasses.replace(Plan(), **expected)),
        (["demo"], dataclasses.replace(QUICK, **expected)),
    ]


def test_a_width_is_a_model_of_random_weights(plans: list[tuple[list[str], Plan]]) -> None:
    assert main(["latency", "--width", "2"]) == 0

    assert plans[0][0] == ["random-2"]


@pytest.mark.usefixtures("plans")
def test_the_record_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["latency", "--json", str(tmp_path / "record.json")])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert read_record(tmp_path / "record.json").kind == "latency"
    assert lines[0] == ("demo, 256x256, batch 1, holes center (22.0% of the image, 252 positions)")
    assert lines[3].split() == [
        *("ort", "11.50", "12.70", "12.85", "12.97", "13.00", "11.2%", "86.96"),
        *("1.00", "(0.84-1.20)", "2.0e-05"),
    ]
    assert lines[7].split() == ["torch-python-loop", "100", "50", "30", "250", "100", "300", "demo"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sizes", "large"], "--sizes must be numbers, comma-separated; got 'large'"),
        (["--sizes", "255"], "a size must be a multiple of 256"),
        (["--backends", "tflite"], "a backend must be one of"),
        (["--width", "2", "--models", "a.safetensors"], "either --models or --width"),
        (["--width", "1000"], "width must be an integer in 1..128"),
        (["--models", "absent.safetensors"], "absent.safetensors"),
        (["--json", "absent/record.json"], "cannot write absent/record.json"),
    ],
)
@pytest.mark.usefixtures("plans")
def test_wrong_arguments_are_a_line_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_a_rival_that_is_wrong_is_exit_code_1_and_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> Record:
        raise ParityError("ort must compute what the torch model does")

    monkeypatch.setattr(run, "measure", measure)

    assert main(["latency", "--json", str(tmp_path / "record.json")]) == 1
    assert "ort must compute" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_quick_run_checks_every_rival_on_the_demo_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", "--quick", "--json", str(tmp_path / "record.json")]) == 0

    record = read_record(tmp_path / "record.json")
    rivals = ["torch-python-loop", "torch", "ort", "ort-target"]
    assert record.absent == ()
    assert [rival.name for rival in record.rivals] == rivals
    assert [(m.rival, m.case["holes"]) for m in record.measurements] == [
        (rival, holes) for holes in ("center", "0.4") for rival in rivals
    ]
    for measurement in record.measurements:
        assert measurement.parity is not None
        assert measurement.parity.max_abs <= 1e-4  # the contract of an fp32 export
        assert measurement.parity.max_abs_limit == 1e-4
        assert len(measurement.samples_ms) == QUICK.rounds * QUICK.calls
    for rival in record.rivals:
        (start,) = rival.cold_starts
        assert 0 < start.import_ms + start.load_ms + start.first_ms < start.total_ms
        assert rival.peak_host_bytes is not None
    # Both hold Python and NumPy; the one of them holds torch as well.
    peaks = {rival.name: rival.peak_host_bytes or 0 for rival in record.rivals}
    assert peaks["torch"] > peaks["ort"] > record.models[0].weights_bytes
    assert record.libraries.keys() >= {"python", "numpy", "torch", "onnxruntime"}
    assert "of the loop" in capsys.readouterr().out
