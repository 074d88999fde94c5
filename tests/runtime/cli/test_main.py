"""``csakit`` lists its commands without loading them, and helps with what is missing."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime.cli import main

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def registered() -> dict[str, str]:
    """The entry points that pyproject.toml states; read without tomllib, which 3.10 lacks."""
    section = PYPROJECT.read_text().split('[project.entry-points."csakit.commands"]')[1]
    lines = section.split("\n[")[0].strip().splitlines()
    return {name.strip(): value.strip() for name, value in (line.split("=") for line in lines)}


def fake(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Register one command, "fake"."""
    entry = metadata.EntryPoint("fake", value, main.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry])


def test_every_command_has_a_summary_and_no_other() -> None:
    assert set(main.SUMMARIES) == set(registered())


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == ExitCode.OK

    out = capsys.readouterr().out
    for name, summary in main.SUMMARIES.items():
        assert f"  {name:<9} {summary}\n" in out


def test_help_is_fast_because_it_loads_nothing() -> None:
    program = """
import sys
from csakit.runtime.cli.main import main
main(["--help"])
heavy = "torch onnxruntime onnx tqdm argparse".split()
sys.exit(any(name in sys.modules for name in heavy))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_a_command_the_usage_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("usage: csakit COMMAND")


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith(f"csakit {metadata.version('csakit')} (Python 3.")


def test_an_unknown_command_is_answered_with_the_closest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["inpiant"]) == ExitCode.USAGE
    assert "got 'inpiant'\nDid you mean: inpaint?" in capsys.readouterr().err

    assert main.main(["zzz"]) == ExitCode.USAGE
    assert "See: csakit --help" in capsys.readouterr().err


def test_a_missing_dependency_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needy_command.py").write_text("import surely_absent.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    fake(monkeypatch, "needy_command:main [export]")

    assert main.main(["fake"]) == ExitCode.ENVIRONMENT

    err = capsys.readouterr().err
    assert "csakit fake: needs the Python package 'surely_absent'" in err
    assert "pip install 'csakit[export]'" in err


def test_a_missing_module_of_ours_is_a_defect_and_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake(monkeypatch, "csakit.runtime.surely_absent:main")

    with pytest.raises(ModuleNotFoundError):
        main.main(["fake"])


def test_the_arguments_and_the_exit_code_pass_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "echo_command.py").write_text("def main(given):\n    print(given)\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    fake(monkeypatch, "echo_command:main")

    assert main.main(["fake", "--flag", "x"]) == ExitCode.CHECK_FAILED
    assert capsys.readouterr().out == "['--flag', 'x']\n"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "csakit.runtime.cli", "doctor"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "\nOK  .onnx models" in done.stdout


SLOW = """
import os, signal, sys, threading, time
sys.argv = ["csakit", "doctor"]
class Finder:
    def find_spec(self, name, *_):
        if name == {stop!r}:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
sys.meta_path.insert(0, Finder())
from csakit.runtime.cli.start import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "stop",
    [
        "csakit.runtime.cli.main",
        "argparse",
        "csakit.runtime.cli.doctor",
        "csakit.runtime.host",
        "onnxruntime",
    ],
)
def test_an_interrupt_during_imports_is_one_line(stop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW.format(stop=stop)], capture_output=True, text=True
    )

    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert "pip install" not in done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_of_torch_spin_shortly_unless_told_otherwise(
    given: dict[str, str], expected: str | None
) -> None:
    code = (
        "import os; from csakit.runtime.cli.start import main; main(); "
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    clean = {name: value for name, value in os.environ.items() if name not in names}

    ended = subprocess.run(
        [sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True
    )

    assert ended.stdout.splitlines()[-1] == str(expected)
