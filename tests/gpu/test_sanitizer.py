"""The kernels under compute-sanitizer: no stray access, race, unwritten read or bad barrier."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.plugins.errors import LibraryError
from csakit.plugins.toolchain import find_nvcc

PROGRAM = "compute-sanitizer"
SECONDS = 120  # racecheck is the slow one
UNSUPPORTED = re.compile(r"(?i)device (?:is )?not supported|unsupported (?:device|gpu|driver)")


def sanitizer() -> str:
    """Find the program on PATH or in the toolkit of nvcc; skip the test where there is none."""
    if found := shutil.which(PROGRAM):
        return found
    try:
        toolkit = find_nvcc()[0].resolve().parents[1]
    except LibraryError:
        toolkit = Path("/usr/local/cuda")
    for path in (toolkit / "bin" / PROGRAM, toolkit / PROGRAM / PROGRAM):
        if path.is_file():
            return str(path)
    pytest.skip(f"{PROGRAM} is not installed; the CUDA toolkit brings it")


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_the_kernels_are_clean_under(tool: str) -> None:
    command = [sanitizer(), "--tool", tool, "--error-exitcode", "99", "--print-limit", "10"]
    command += [sys.executable, "-m", "gpu.sanitizer_driver"]

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment
    )

    output = done.stdout + done.stderr
    if unsupported := UNSUPPORTED.search(output):
        pytest.skip(f"{PROGRAM}: {unsupported[0]}")
    assert done.returncode == 0, output[-8000:]
    assert re.search(r"ERROR SUMMARY: 0 errors|0 hazards displayed \(0 errors", output), output
