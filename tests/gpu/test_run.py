"""`make gpu`: a part that fails or hangs costs the others nothing, and all names exist."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "tests" / "gpu" / "run.sh").read_text()
PARTS = re.findall(r"(?m)^(?:\[\[.*\|\| )?(?:part|main|tests) (\w+) \d+", SCRIPT)


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
        "*plugin*build*) echo cannot build; exit 3 ;;\n"
        "*sanitizer_driver*) exec sleep 60 ;;\n*pytest*) echo 1 passed ;;",
    )

    summary = (tmp_path / "out" / "summary.txt").read_text()
    assert done.returncode == 1
    assert re.search(r"(?m)^build: failed with exit code 3, \d+ s: cannot build$", summary)
    assert re.search(r"(?m)^kernels: stopped after 1 s, \d+ s: $", summary)
    assert re.search(r"(?m)^models: passed, \d+ s: 1 passed$", summary)
    passed = re.findall(r"(?m)^(\w+): passed", summary)
    assert {*passed} == {*PARTS} - {"machine", "build", "kernels"} | ({*passed} & {"machine"})
    assert all((tmp_path / "out" / f"{name}.log").is_file() for name in PARTS)


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
    modules = re.findall(r"(?m)^(?:\[\[.*\|\| )?main \w+ \d+ ([\w.]+)", SCRIPT)
    modules += ["plugins.architectures"]
    files = re.findall(r"tests/[\w/*]+(?:\.py)?", SCRIPT)

    assert len(PARTS) == 10
    assert all(importlib.util.find_spec(f"csakit.{module}") for module in modules)
    assert all(list(ROOT.glob(file)) for file in files)
