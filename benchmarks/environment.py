"""The environment of a record: commit, machine, libraries. No host names, no paths."""

import contextlib
import dataclasses
import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..plugins.tensorrt_flavours import FLAVOURS
from ..plugins.versions import installed
from ..runtime.host import DISTRIBUTION

_SOURCES: Final = ("plugins", "runtime", "train", "export", "benchmarks", "pyproject.toml")
_RESULTS: Final = ":(exclude)benchmarks/results"  # records do not affect what is measured
_TOOL_SECONDS: Final = 20
_GPU_FIELDS: Final = ("name", "memory.total", "compute_cap", "driver_version")
_MIB: Final = 1 << 20
LIBRARIES: Final = (
    *("numpy", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino"),
    *(FLAVOURS[module].package for module in ("tensorrt", "tensorrt_rtx")),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The measured version of csakit; commit and dirty are None outside a checkout."""

    version: str
    commit: str | None
    dirty: bool | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU, as its driver describes it."""

    name: str
    memory_bytes: int
    compute_capability: str
    driver: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine of a run."""

    cpu: str  # model name
    logical_cpus: int  # of the machine
    cpus_used: tuple[int, ...] | None  # that every backend was pinned to; None if not pinned
    ram_bytes: int | None  # of the machine
    system: str  # operating system, kernel and architecture
    gpu: Gpu | None  # the GPU that was used; None if none was
    load_average: float | None  # runnable processes over the minute before the run; None if unknown


def source() -> Source:
    """Return the version of csakit, and its commit if it is run from its own checkout."""
    root = Path(__file__).resolve().parents[1]
    commit, changed = None, ""
    # A wheel may lie inside a checkout of something else, which does not track this file.
    if _output(["git", "ls-files", "--error-unmatch", str(Path(__file__).resolve())], root):
        commit = _output(["git", "rev-parse", "HEAD"], root).strip() or None
        changed = _output(
            ["git", "--no-optional-locks", "status", "--porcelain", "--", *_SOURCES, _RESULTS], root
        )
    return Source(
        version=installed(DISTRIBUTION) or "unknown",
        commit=commit,
        dirty=bool(changed) if commit else None,
    )


def environment(cpus_used: Iterable[int] | None = None, *, gpu: Gpu | None = None) -> Environment:
    """Return a description of this machine."""
    load = ram = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        load = round(os.getloadavg()[0], 2)
        ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Environment(
        cpu=_cpu_name(),
        logical_cpus=os.cpu_count() or 1,
        cpus_used=None if cpus_used is None else tuple(sorted(cpus_used)),
        ram_bytes=ram,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        gpu=gpu,
        load_average=load,
    )


def first_gpu() -> Gpu | None:
    """Return the first GPU of nvidia-smi; None without a GPU or the tool."""
    query = f"--query-gpu={','.join(_GPU_FIELDS)}"
    lines = _output(["nvidia-smi", query, "--format=csv,noheader,nounits"], Path.cwd())
    fields = [field.strip() for field in lines.partition("\n")[0].split(",")]
    if len(fields) != len(_GPU_FIELDS) or not fields[1].isdecimal():
        return None
    name, memory, capability, driver = fields
    return Gpu(
        name=name, memory_bytes=int(memory) * _MIB, compute_capability=capability, driver=driver
    )


def libraries(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of the named distributions that are installed."""
    found = {name: version for name in names if (version := installed(name))}
    return {"python": platform.python_version(), **found}


def now() -> str:
    """Return the current time: UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        if found := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return found[1].strip()
    return platform.processor() or platform.machine()


def _output(command: list[str], folder: Path) -> str:
    """Return what a tool prints; an empty string if it fails or is absent."""
    try:
        finished = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout if finished.returncode == 0 else ""
