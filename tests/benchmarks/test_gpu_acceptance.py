"""The acceptance is one command: it says why it cannot run, and its code says how it went."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from csakit.benchmarks import gpu_acceptance
from csakit.benchmarks.acceptance import parts as parts_module
from csakit.benchmarks.acceptance.parts import Part
from csakit.benchmarks.gpu_acceptance import MINUTES, main
from csakit.benchmarks.record_file import read_record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has a GPU."""
    monkeypatch.setattr(gpu_acceptance, "device_architectures", lambda: ["sm_90"])


def plan(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Let the acceptance run these lines of Python as its parts."""

    def parts(folder: Path, prepared: Path | None) -> Sequence[Part]:
        return [
            Part(name=f"part {index}", command=[sys.executable, "-c", program], share=1.0)
            for index, program in enumerate(programs)
        ]

    monkeypatch.setattr(parts_module, "all_parts", parts)


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(
    ("programs", "code"),
    [(["pass", "pass"], 0), (["exit(1)", "pass"], 1), (["pass", "exit(1)"], 1)],
)
def test_a_part_that_failed_is_exit_code_1_and_the_record_is_written_anyway(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    programs: list[str],
    code: int,
) -> None:
    plan(monkeypatch, *programs)

    returned = main(["--output", str(tmp_path / "record.json"), "--minutes", "1"])

    assert returned == code
    record = read_record(tmp_path / "record.json")
    assert [check.outcome == "passed" for check in record.checks] == [p == "pass" for p in programs]
    printed = capsys.readouterr().out
    assert "part 1: at most" in printed
    assert f"wrote {tmp_path / 'record.json'}" in printed


@pytest.mark.usefixtures("_gpu")
def test_the_parts_use_what_was_built_and_not_what_a_variable_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CSAKIT_LIBRARY", "/elsewhere/libcsakit.so")
    plan(
        monkeypatch, "import os; print(os.environ.get('CSAKIT_LIBRARY'), os.environ['PATH'] != '')"
    )

    main(["--output", str(tmp_path / "record.json")])

    assert read_record(tmp_path / "record.json").checks[0].output == "None True\n"


def test_without_a_gpu_that_is_said_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_acceptance, "device_architectures", list)

    code = main(["--output", str(tmp_path / "record.json")])

    assert code == 3
    assert "no CUDA device: the acceptance needs an NVIDIA GPU" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_gpu")
def test_a_python_without_numpy_or_pillow_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_acceptance.importlib.util, "find_spec", lambda name: None)

    code = main([])

    assert code == 3
    assert f"{sys.executable} lacks numpy and pillow" in capsys.readouterr().err


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--minutes", "0"], "minutes must be above 0; got 0.0"),
        (["--minutes", "nan"], "minutes must be above 0"),
        (["--commit", "HEAD"], "a commit must be 40 hexadecimal digits; got 'HEAD'"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(arguments) == 2

    assert text in capsys.readouterr().err


def test_the_parts_have_less_than_eight_minutes() -> None:
    assert MINUTES < 8


def test_make_runs_it_in_a_python_that_csakit_is_not_installed_in(tmp_path: Path) -> None:
    bare = tmp_path / "python"  # -S: no packages at all, csakit and NumPy among them
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    # an empty driver: this machine may have a GPU
    (tmp_path / "libcuda.so.1").touch()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "MAKEFLAGS": ""}

    finished = subprocess.run(
        ["make", "--silent", "-C", str(ROOT), "gpu", f"GPU_PYTHON={bare}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 2  # make's own, for a recipe that failed
    assert "no CUDA device" in finished.stderr
    assert "Error 3" in finished.stderr
    assert "Traceback" not in finished.stderr
