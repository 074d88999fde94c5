"""The end of a part is read for what it means, and a part that proves nothing has not passed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.benchmarks.acceptance.judging import (
    OPTIONAL,
    judge_benchmark,
    judge_exit,
    judge_sanitizer,
    judge_tests,
    last_lines,
)
from csakit.benchmarks.acceptance.running import Ended
from csakit.benchmarks.record import Check
from csakit.benchmarks.record_file import write_record
from helpers.operator_records import operator_record, timed

TESTS = Path(__file__).parents[2]


def ended(code: int = 0, output: str = "") -> Ended:
    return Ended(code=code, output=output, seconds=1.0)


def pytest_report(folder: Path, **files: str) -> tuple[Ended, Path]:
    """Run pytest on test files of these texts; give how it ended and its report."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    junit = folder / "tests.xml"
    words = ("-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--rootdir=.")
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"--junitxml={junit}", "."],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # they take most of the time
        capture_output=True,
        text=True,
        check=False,
    )
    return ended(finished.returncode, finished.stdout), junit


PASSES = "def test_good(): pass\n"


def test_an_exit_code_speaks_for_itself() -> None:
    assert judge_exit(ended()).outcome == "passed"
    failed = judge_exit(ended(3, "compiling\n\nnvcc is missing\nInstall it.\n"))
    assert failed.outcome == "failed"
    assert failed.reason == "exit code 3: nvcc is missing; Install it."


def test_the_last_lines_of_nothing_are_said_to_be_nothing() -> None:
    assert last_lines("\n  \n") == "no output"


def test_tests_that_pass_and_skip_have_passed(tmp_path: Path) -> None:
    skips = "import pytest\ndef test_other(): pytest.skip('no TensorRT')\n"

    verdict = judge_tests(*pytest_report(tmp_path, good=PASSES, skipped=skips))

    assert verdict.outcome == "passed"
    assert verdict.reason == "skipped: no TensorRT"
    assert verdict.details == {"passed": 1, "failed": 0, "skipped": 1, "not_collected": 0}


@pytest.mark.parametrize(
    "text",
    [
        "def test_bad(): assert 1 == 2\n",
        "import pytest\n@pytest.fixture\ndef broken(): 1 / 0\ndef test_bad(broken): pass\n",
    ],
    ids=["failure", "error in a fixture"],
)
def test_a_test_that_fails_is_named(tmp_path: Path, text: str) -> None:
    verdict = judge_tests(*pytest_report(tmp_path, good=PASSES, bad=text))

    assert verdict.outcome == "failed"
    assert verdict.reason == "test_bad::test_bad failed"
    assert verdict.details["failed"] == 1


def test_a_file_that_needs_an_optional_package_is_named_and_fails_nothing(
    tmp_path: Path,
) -> None:
    blocked = "import sys; sys.modules['onnx'] = None\n"  # as if it were not installed
    raising = "raise ModuleNotFoundError(\"No module named 'onnx'\", name='onnx')\n"

    verdict = judge_tests(*pytest_report(tmp_path, good=PASSES, needs=blocked + raising))

    assert verdict.outcome == "passed"
    assert verdict.reason == "1 files not collected for want of onnx"
    assert verdict.details["not_collected"] == 1


@pytest.mark.parametrize(
    "text", ["import csakit.plugins.nonsense\n", "import no_such_package\n", "1 / 0\n"]
)
def test_a_file_that_cannot_be_collected_for_another_reason_has_failed(
    tmp_path: Path, text: str
) -> None:
    verdict = judge_tests(*pytest_report(tmp_path, good=PASSES, broken=text))

    assert verdict.outcome == "failed"
    assert "test_broken failed" in verdict.reason


def test_where_no_test_ran_nothing_has_passed(tmp_path: Path) -> None:
    skips = "import pytest\npytestmark = pytest.mark.skip('no CUDA device')\ndef test(): pass\n"

    verdict = judge_tests(*pytest_report(tmp_path, skipped=skips))

    assert verdict.outcome == "failed"
    assert verdict.reason == "no test ran; skipped: no CUDA device"


@pytest.mark.parametrize("text", [None, "<testsuites><testsuite>"])
def test_without_a_readable_report_tests_have_failed(tmp_path: Path, text: str | None) -> None:
    junit = tmp_path / "tests.xml"
    if text is not None:
        junit.write_text(text)

    verdict = judge_tests(ended(4, "ERROR: no such option"), junit)

    assert verdict.outcome == "failed"
    assert verdict.reason == "no report, exit code 4: ERROR: no such option"


CLEAN = "========= COMPUTE-SANITIZER\n48 calls, 0 wrong\n========= ERROR SUMMARY: 0 errors\n"
RACES = "========= RACECHECK SUMMARY: {0} hazards displayed ({1} errors, {2} warnings)\n"
INVALID = """\
========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 4 bytes
=========     at csakit::chainKernel
========= ERROR SUMMARY: 2 errors
"""


@pytest.mark.parametrize(
    ("code", "output", "outcome", "reason"),
    [
        (0, CLEAN, "passed", ""),
        (0, RACES.format(0, 0, 0), "passed", ""),
        (0, RACES.format(1, 0, 1), "passed", ""),
        (99, INVALID, "failed", "2 errors, the first: Invalid __global__ read of size 4 bytes"),
        (0, INVALID, "failed", "2 errors, the first: Invalid __global__ read of size 4 bytes"),
        (99, RACES.format(3, 3, 0), "failed", "3 errors"),
        (1, "off by 1e-2\n1 wrong\n" + CLEAN, "failed", "exit code 1: "),
        (0, "48 calls, 0 wrong\n", "failed", "exit code 1: 48 calls, 0 wrong"),
        (3, "libcsakit.so is missing\nBuild it", "failed", "exit code 3: libcsakit.so is missing"),
        (3, "Device not supported\n" + CLEAN, "skipped", "compute-sanitizer: Device not supported"),
    ],
)
def test_the_sanitizer_is_believed_only_with_its_summary(
    code: int, output: str, outcome: str, reason: str
) -> None:
    verdict = judge_sanitizer(ended(code, output))

    assert verdict.outcome == outcome
    assert verdict.reason.startswith(reason)


def test_targets_that_are_missed_are_counted_and_fail_nothing(tmp_path: Path) -> None:
    checks = [Check(name=name, outcome=name) for name in ("met", "missed", "missed")]  # type: ignore[arg-type]
    write_record(operator_record(timed("cuda", 9, 1.0), checks=tuple(checks)), tmp_path / "a.json")

    verdict = judge_benchmark(ended(), tmp_path / "a.json")

    assert verdict.outcome == "passed"
    assert verdict.details == {"met": 1, "missed": 2, "failed": 0}


def test_a_form_that_was_wrong_fails_the_benchmark_by_name(tmp_path: Path) -> None:
    check = Check(name="cuda computes what the oracle does", outcome="failed", reason="off by 1")
    write_record(operator_record(timed("ort", 9, 1.0), checks=(check,)), tmp_path / "a.json")

    verdict = judge_benchmark(ended(1, "table"), tmp_path / "a.json")

    assert verdict.outcome == "failed"
    assert verdict.reason == "cuda computes what the oracle does: off by 1"


def test_a_benchmark_without_a_record_has_failed(tmp_path: Path) -> None:
    crashed = judge_benchmark(ended(3, "no GPU\nGet one"), tmp_path / "a.json")
    silent = judge_benchmark(ended(0), tmp_path / "a.json")

    assert (crashed.outcome, crashed.reason) == ("failed", "exit code 3: no GPU; Get one")
    assert (silent.outcome, silent.reason.split(":")[0]) == (
        "failed",
        f"cannot read {tmp_path / 'a.json'}",
    )


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_what_the_tests_import_is_always_there_or_known_to_be_optional(path: Path) -> None:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])

    there = {"csakit", "helpers", "numpy", "PIL", "pytest", *sys.stdlib_module_names}
    assert names <= there | {*OPTIONAL}
