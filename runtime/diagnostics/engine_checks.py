"""Checks of engines: whether each opens here, and the remedy if not."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ..device.open_device import choose_binding
from ..engine.compatibility import HostCapabilities, diagnose
from ..engine.manifest import SUFFIX
from .package_checks import Check, Status, printable

_ALREADY_HERE: Final = ", or see: csakit doctor"  # left out of remedies here


def find_engines(paths: Sequence[Path]) -> list[Path]:
    """Return the engines among files and in folders, not searched deeper; refuse other paths."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.glob(f"*{SUFFIX}") if file.is_file())
        elif path.is_file() and path.suffix == SUFFIX:
            found.append(path)
        else:
            raise ContractError(f"engines must be {SUFFIX} files or folders; got {path}")
    return list(dict.fromkeys(found))


def check_engines(engines: Iterable[Path], machine: HostCapabilities) -> Iterable[Check]:
    """Check whether each engine would open here; loads nothing."""
    for engine in engines:
        found, status = diagnose(engine, machine), Status.FIX
        if found.problems:
            problem = found.problems[0]
            remedy = problem.remedy.replace(_ALREADY_HERE, "")
            reason = problem.text.removeprefix(f"{engine} ")
            text = printable(f"{reason}: {remedy}".replace("\n", ": "))
        elif choose_binding().binding is None:
            text = "needs a CUDA binding for Python: pip install cuda-python"
        else:
            status, text = Status.OK, f"opens with {found.module} on GPU 0 ({machine.gpus[0]})"
        yield Check(status, str(engine), text)


def check_engine_backend(machine: HostCapabilities) -> Check:
    """Check whether engines can run here at all, and what is missing."""
    missing = []
    if not machine.gpus:
        missing.append("a GPU")
    if not machine.modules:
        missing.append("TensorRT (pip install tensorrt)")
    if choose_binding().binding is None:
        missing.append("a CUDA binding (pip install cuda-python)")
    if missing:
        text = f"cannot run here: lacking {' and '.join(missing)}"
        return Check(Status.ABSENT, ".engine models", text)
    modules = " or ".join(f"{name} {version}" for name, version in machine.modules.items())
    return Check(Status.OK, ".engine models", f"run on {len(machine.gpus)} GPU(s), by {modules}")
