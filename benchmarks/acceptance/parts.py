"""The parts of the acceptance: the command of each, its share of the time, and its judge."""

import dataclasses
import functools
import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import LibraryError
from ...plugins.toolchain import find_nvcc
from .judging import Judge, judge_benchmark, judge_exit, judge_sanitizer, judge_tests

ROOT: Final = Path(__file__).resolve().parents[2]  # of the checkout, where the tests lie
SANITIZER: Final = "compute-sanitizer"
# Tools of compute-sanitizer, and seconds of the whole's 480 for each; racecheck is the slow one.
TOOLS: Final = (("memcheck", 30), ("racecheck", 50), ("initcheck", 30), ("synccheck", 20))
BENCHMARK: Final = (
    *("--rivals", "python-loop-cuda,torch-cuda,cuda,cuda-graph"),
    *("--holes", "1,128,225,512,1023", "--batch", "1,16"),
    *("--dtype", "float16,float32", "--seconds", "0.5"),
)
_DRIVER: Final = "csakit.benchmarks.acceptance.driver"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One part, a command in a process of its own: whatever it does, the others still run.

    Attributes:
        name: of the part.
        command: program and arguments.
        share: of the time; what a part leaves goes to those after it.
        judge: says what its end means.
        missing: why it cannot run here; None if it can.
    """

    name: str
    command: Sequence[str]
    share: float
    judge: Judge = judge_exit
    missing: str | None = None


def all_parts(folder: Path) -> list[Part]:
    """List the parts in the order they run.

    Args:
        folder: for files that they leave for their judges.

    Returns:
        The parts.
    """
    junit, record = folder / "tests.xml", folder / "attention.json"
    return [
        Part(
            name="build",
            command=_main_of("csakit.runtime.plugin_cli", "build", "--arch", "native"),
            share=110,
        ),
        Part(
            name="tests",
            command=_pytest(junit),
            share=150,
            judge=functools.partial(judge_tests, junit=junit),
            missing=_absent("pytest") or _no_tests(),
        ),
        *(_sanitizer(tool, share) for tool, share in TOOLS),
        Part(
            name="benchmark",
            command=_main_of(
                "csakit.benchmarks.cli", "attention", *BENCHMARK, "--json", str(record)
            ),
            share=90,
            judge=functools.partial(judge_benchmark, record=record),
            missing=_absent("torch"),
        ),
    ]


def _pytest(junit: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-m", "gpu", "-q", "tests"),
        # The versions are those of the machine: what they warn of is no defect of the kernels.
        *("-W", "default", "-p", "no:cacheprovider"),
        *("--continue-on-collection-errors", f"--junitxml={junit}"),
    ]


def _sanitizer(tool: str, share: float) -> Part:
    """Run the driver under a tool of compute-sanitizer."""
    program = find_sanitizer()
    flags = ("--tool", tool, "--error-exitcode", "99", "--print-limit", "10")
    return Part(
        name=tool,
        command=[str(program), *flags, sys.executable, "-m", _DRIVER],
        share=share,
        judge=judge_sanitizer,
        missing=None if program else f"{SANITIZER} is not installed; the CUDA toolkit brings it",
    )


def find_sanitizer() -> Path | None:
    """Find compute-sanitizer: on PATH, or in the toolkit that nvcc is of.

    Returns:
        The program; None where there is none.
    """
    if found := shutil.which(SANITIZER):
        return Path(found)
    try:
        toolkit = find_nvcc()[0].resolve().parents[1]
    except LibraryError:
        return None
    places = (toolkit / "bin" / SANITIZER, toolkit / SANITIZER / SANITIZER)
    return next((path for path in places if path.is_file()), None)


def _main_of(module: str, *arguments: str) -> list[str]:
    """Call the ``main`` of a command; entry points are there only where csakit is installed."""
    program = f"import sys; from {module} import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", program, *arguments]


def _absent(package: str) -> str | None:
    return None if importlib.util.find_spec(package) else f"the package {package} is not installed"


def _no_tests() -> str | None:
    return None if (ROOT / "tests").is_dir() else "the tests lie in a checkout, and this is none"
