"""Any call on files may fail: the failure is reported, and no partial or temporary file is left.

One second each; ``make fuzz`` tries all calls with all failures.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``faults.c``, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler on Linux")
    target = tmp_path_factory.mktemp("faults") / "faults.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, HERE / "faults.c", "-o", target, "-ldl"], check=True)
    return target


@pytest.mark.parametrize(
    "operation", ["repair", "repair_in_place", "lists", "reads", "writes", "copies"]
)
def test_a_call_that_fails(library: Path, tmp_path: Path, operation: str) -> None:
    command = [sys.executable, HERE / "faulty_calls.py", operation, tmp_path]
    paths = os.pathsep.join((str(HERE.parent), os.environ.get("PYTHONPATH", "")))
    env = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": paths}

    done = subprocess.run(command, env=env, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
