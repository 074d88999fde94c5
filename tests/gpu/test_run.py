"""`make gpu`: a part that fails or hangs costs the others nothing, and all names exist."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from helpers import fake_driver
from helpers.python import succeed
from helpers.simt_build import simt_library
from helpers.slow import slow

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "tests" / "gpu" / "run.sh").read_text()
PARTS = re.findall(r"(?m)^ *(?:part|main|tests|tool) (\w+) \d+", SCRIPT)
TOOLS = {"profile", "trace"}  # ncu and nsys


def run(folder: Path, answers: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a copy, whose kernels have a second, with a stand-in for Python."""
    copy, python = folder / "tests" / "gpu" / "run.sh", folder / "python"
    copy.parent.mkdir(parents=True)
    copy.write_text(SCRIPT.replace("part kernels 60", "part kernels 1"))
    python.write_text(f'#!/bin/sh\ncase "$*" in\n{answers}\nesac\n')
    for program in (copy, python):
        program.chmod(0o755)
    given = {k: v for k, v in os.environ.items() if k != "CSAKIT_LIBRARY"} | environment
    given |= {"GPU_PYTHON": str(python), "GPU_OUT": str(folder / "out")}
    return subprocess.run([copy], env=given, capture_output=True, text=True, check=False)


def test_parts_that_fail_or_hang_do_not_stop_the_others(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "*library_status*) exit 1 ;;\n*plugin*build*) echo cannot build; exit 3 ;;\n"
        "*sanitizer_driver*) exec sleep 60 ;;\n*pytest*) echo 1 passed ;;",
    )

    summary = (tmp_path / "out" / "summary.txt").read_text()
    assert done.returncode == 1
    assert re.search(r"(?m)^build: failed with exit code 3, \d+ s: cannot build$", summary)
    assert re.search(r"(?m)^kernels: stopped after 1 s, \d+ s: $", summary)
    assert re.search(r"(?m)^models: passed, \d+ s: 1 passed$", summary)
    passed = re.findall(r"(?m)^(\w+): passed", summary)
    unsure = {"machine", *TOOLS}  # what is on this machine decides
    assert {*passed} - unsure == {*PARTS} - {"build", "kernels"} - unsure
    assert all((tmp_path / "out" / f"{name}.log").is_file() for name in {*PARTS} - TOOLS)


def test_what_no_time_is_left_for_is_named_and_all_ends_in_time(tmp_path: Path) -> None:
    start = time.monotonic()
    done = run(
        tmp_path,
        # It does not listen when it is asked to stop.
        "*driver_timing*) trap '' INT; while :; do sleep 0.1; done ;;",
        GPU_SECONDS="3",
    )

    summary = (tmp_path / "out" / "summary.txt").read_text()
    assert done.returncode == 1
    assert re.search(r"(?m)^kernels: passed", summary)
    assert re.search(r"(?m)^times: stopped after [123] s", summary)
    assert re.search(r"(?m)^timing: not run, no time is left of 3 s$", summary)
    assert re.search(r"(?m)^models: not run, no time is left of 3 s$", summary)
    assert time.monotonic() - start < 3 + 15 + 10  # a part is killed 15 s after it was asked


def test_the_limits_leave_room_within_fifteen_minutes() -> None:
    (seconds,) = re.findall(r"GPU_SECONDS:-(\d+)", SCRIPT)
    (grace,) = re.findall(r"--kill-after=(\d+)", SCRIPT)

    assert int(seconds) + int(grace) <= 15 * 60 - 30


def test_a_profiler_that_is_missing_is_named_and_fails_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "", GPU_PARTS="profile kernels", PATH="/usr/bin:/bin")

    assert done.returncode == 0
    if shutil.which("ncu", path="/usr/bin:/bin:/usr/local/cuda/bin") is None:
        assert "profile: not run, ncu is not installed" in done.stdout
    assert "trace" not in done.stdout


def test_a_given_library_that_does_not_load_is_built_anew(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "*library_status*) exit 1 ;;\n*kernels*|*sanitizer_driver*) echo ${CSAKIT_LIBRARY-none} ;;",
        GPU_PARTS="build kernels",
        CSAKIT_LIBRARY="there.so",
    )

    assert done.returncode == 0
    assert "there.so: not usable on this GPU, built anew" in done.stdout
    assert re.search(r"(?m)^build: passed", done.stdout)
    assert re.search(r"(?m)^kernels: passed, \d+ s: none$", done.stdout)


def test_parts_can_be_chosen_and_a_given_library_is_not_built(tmp_path: Path) -> None:
    done = run(tmp_path, "", GPU_PARTS="build timing", CSAKIT_LIBRARY="there.so")

    assert done.returncode == 0
    assert [path.name for path in (tmp_path / "out").glob("*.log")] == ["timing.log"]


def test_without_a_gpu_nothing_is_run(tmp_path: Path) -> None:
    done = run(tmp_path, "*device_architectures*) exit 1 ;;")

    assert done.returncode == 3
    assert "no CUDA device" in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_module_and_test_file_that_it_names_exists() -> None:
    modules = re.findall(r"(?m)^ *main \w+ \d+ ([\w.]+)", SCRIPT)
    modules += re.findall(r"from csakit\.([\w.]+) import", SCRIPT)
    programs = re.findall(r"-m (gpu\.\w+)", SCRIPT)
    files = re.findall(r"tests/[\w/*]+(?:\.py)?", SCRIPT)

    assert len(PARTS) == 16
    assert len(set(programs)) == 2
    assert all(importlib.util.find_spec(program) for program in programs)
    assert all(importlib.util.find_spec(f"csakit.{m}") for m in modules if "$" not in m)
    assert all(list(ROOT.glob(file)) for file in files)


def test_the_kernels_are_tested_with_numpy_pillow_and_pytest_alone() -> None:
    absent = ["hypothesis", "onnx", "onnxruntime", "safetensors", "scipy", "skimage", "torch"]
    lines = SCRIPT.replace("\\\n", " ").splitlines()
    operator = next(line for line in lines if line.startswith("tests operator"))
    files = re.findall(r"tests/\S+\.py", operator)
    program = f"""
import os, sys
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # as the script does
sys.modules.update(dict.fromkeys({absent}))
import pytest
sys.exit(pytest.main(["-q", "--collect-only", "-m", "gpu", *sys.argv[1:]]))
"""

    assert len(files) > 4
    succeed(program, "-p", "no:cacheprovider", "-W", "default", *(ROOT / file for file in files))


@slow
def test_a_rehearsal_from_a_fresh_folder_without_nvcc(tmp_path: Path) -> None:
    """All real but the GPU: a copy of the tree, a library carried along, a fake driver."""
    fresh, library = tmp_path / "fresh", tmp_path / "carried"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in map(os.fsdecode, filter(None, listed)):
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, fresh / name, follow_symlinks=False)
    library.mkdir()
    shutil.copy(simt_library(watched=False), library / "libcsakit.so")
    copy = fresh / "tests" / "gpu" / "run.sh"
    # A CPU takes minutes for the calls, and seconds for the 20 of one captured graph.
    patient = re.sub(r"(?m)^( *(?:part|main|tests|tool) \w+) \d+", r"\1 300", SCRIPT)
    copy.write_text(patient.replace("times 300", "times 5"))
    environment = fake_driver.environment() | {
        "PATH": "/usr/bin:/bin",  # no nvcc, no ncu
        "GPU_PYTHON": sys.executable,
        "CSAKIT_LIBRARY": str(library),
        "GPU_PARTS": "machine build kernels times profile timing sanitizer device",
        "GPU_SECONDS": "800",
    }

    done = subprocess.run(
        [copy],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    out = fresh / "out" / "gpu"
    print(done.stdout, done.stderr, *(path.read_text()[-2000:] for path in out.glob("*.log")))
    summary = (out / "summary.txt").read_text()
    assert re.search(r"(?m)^kernels: passed, .* 48 of 48 calls, 0 wrong$", summary)
    assert re.search(r"(?m)^times: stopped after 5 s", summary)
    assert "build:" not in summary
    assert all((out / f"{name}.xml").is_file() for name in ("sanitizer", "device"))
    assert re.search(r"(?m)^timing: failed with exit code 3, .*", summary)  # torch sees no GPU
    assert re.search(r"(?m)^device: passed", summary)
