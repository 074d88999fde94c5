"""The parts of the acceptance: the command of each, its share of the time, and its judge."""

import dataclasses
import functools
import importlib.util
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import LibraryError
from ...plugins.toolchain import find_nvcc
from ...runtime.device_choice import choose_adapter
from .judging import (
    Judge,
    judge_benchmark,
    judge_exit,
    judge_finding,
    judge_sanitizer,
    judge_tests,
)
from .names import DEVICES, ENGINES, ONNXRUNTIME, engine_check
from .prepare import NEEDED

ROOT: Final = Path(__file__).resolve().parents[2]  # of the checkout, where the tests lie
SANITIZER: Final = "compute-sanitizer"
# Tools of compute-sanitizer, and seconds of the whole's 480 for each; racecheck is the slow one.
TOOLS: Final = (("memcheck", 25), ("racecheck", 40), ("initcheck", 25), ("synccheck", 15))
BENCHMARK: Final = (
    *("--rivals", "python-loop-cuda,torch-cuda,cuda,cuda-graph"),
    *("--holes", "1,128,225,512,1023", "--batch", "1,16"),
    *("--dtype", "float16,float32", "--seconds", "0.5"),
)
_DEVICE_TESTS: Final = (
    "tests/runtime/test_device.py",
    "tests/runtime/test_device_context.py",
    "tests/runtime/test_engine_session.py",
    "tests/runtime/test_engine_trouble.py",
    "tests/benchmarks/test_engine_overhead.py",
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


def all_parts(folder: Path, prepared: Path | None = None) -> list[Part]:
    """List the parts in the order they run.

    Args:
        folder: for files that they leave for their judges.
        prepared: written by ``csakit.benchmarks.acceptance.prepare``; None prepares here.

    Returns:
        The parts.
    """
    junit, record = folder / "tests.xml", folder / "attention.json"
    return [
        Part(
            name="build",
            command=_main_of("csakit.runtime.plugin_cli", "build", "--arch", "native"),
            share=80,
        ),
        Part(
            name="tests",
            command=_pytest(junit),
            share=85,
            judge=functools.partial(judge_tests, junit=junit),
            missing=_absent("pytest") or _no_tests(),
        ),
        *(_sanitizer(tool, share) for tool, share in TOOLS),
        Part(
            name="benchmark",
            command=_main_of(
                "csakit.benchmarks.cli", "attention", *BENCHMARK, "--json", str(record)
            ),
            share=70,
            judge=functools.partial(judge_benchmark, record=record),
            missing=_absent("torch") or _absent("safetensors"),  # which csakit.train imports
        ),
        *_models(folder, prepared),
    ]


def _models(folder: Path, prepared: Path | None) -> Iterator[Part]:
    """List the parts that run whole models, and what they need."""
    for title, name in DEVICES.items():
        yield _device(folder, title, name)
    models = prepared or folder / "models"
    lacking = None if prepared else next(filter(None, map(_absent, NEEDED)), None)
    if prepared is None:
        yield Part(
            name="models",
            command=[sys.executable, "-m", "csakit.benchmarks.acceptance.prepare", str(models)],
            share=45,
            missing=lacking,
        )
    reason = lacking and f"there is no model: {lacking}; see --prepared"
    yield _model(ONNXRUNTIME, "onnxruntime", models, folder, share=20, missing=reason)
    for module in ENGINES:
        share = 40 if module == "tensorrt" else 15
        name = engine_check(module)
        missing = _absent(module) or _absent("onnx") or reason
        yield _model(name, module, models, folder, share=share, missing=missing)


def _model(
    name: str, what: str, models: Path, folder: Path, *, share: float, missing: str | None
) -> Part:
    finding = folder / f"{what}.json"
    program = [sys.executable, "-m", "csakit.benchmarks.acceptance.models"]
    return Part(
        name=name,
        command=[*program, what, str(models), str(finding)],
        share=share,
        judge=functools.partial(judge_finding, finding=finding),
        missing=_absent(what) or missing,
    )


def _device(folder: Path, title: str, name: str) -> Part:
    """Run the tests of the device layer with one binding."""
    adapter = title.lower()
    junit = folder / f"{adapter}.xml"
    found = choose_adapter(adapter)
    return Part(
        name=name,
        command=[*_pytest(junit, *_DEVICE_TESTS), "-k", adapter],
        share=10,
        judge=functools.partial(judge_tests, junit=junit),
        missing=(None if found.adapter else found.reason) or _absent("pytest") or _no_tests(),
    )


def _pytest(junit: Path, *files: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-m", "gpu", "-q", *(files or ("tests",))),
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
