"""Find nvcc and the host compiler that it needs, and say what to install where one is missing."""

import dataclasses
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .errors import LibraryError
from .versions import numbers

# Since CUDA 13 the toolkit is also published as Python packages, which share one folder.
WHEELS: Final = MappingProxyType(
    {  # a file that compiling needs -> the package that brings it
        "bin/ptxas": "nvidia-cuda-nvcc",
        "bin/cudafe++": "nvidia-cuda-nvcc",
        "nvvm/bin/cicc": "nvidia-nvvm",
        "include/crt/host_config.h": "nvidia-cuda-crt",
        "include/cuda_runtime.h": "nvidia-cuda-runtime",
        "include/cccl/nv/target": "nvidia-cuda-cccl",
        "lib/libcudart_static.a": "nvidia-cuda-runtime",
    }
)
INSTALL_NVCC: Final = (
    "Install NVIDIA's CUDA toolkit and put its nvcc on PATH (or set CUDA_HOME), or, without "
    f"administrator rights: pip install {' '.join(dict.fromkeys(WHEELS.values()))}"
)
INSTALL_HOST: Final = (
    "Install GCC with C++ (Debian, Ubuntu: apt install g++), or set NVCC_CCBIN to a C++ compiler."
)
USUAL_NVCC: Final = Path("/usr/local/cuda/bin/nvcc")  # JetPack leaves it off PATH
_OLDEST: Final = (11, 8)  # the first that knows sm_89 and sm_90; C++17 came with 11.0


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """The compilers.

    Attributes:
        nvcc: path to run.
        version: of nvcc, as "13.0.88".
        source: how nvcc was found, in words.
        host: command of the C++ compiler that nvcc calls.
        host_version: of that compiler, as "12.2.0".
        architectures: those that nvcc compiles for, as "sm_75" and "compute_75".
    """

    nvcc: Path
    version: str
    source: str
    host: str
    host_version: str
    architectures: frozenset[str]

    def __str__(self) -> str:
        """Name both compilers; builds by equal names are equal."""
        return f"nvcc {self.version} with {Path(self.host).name} {self.host_version}"


def find_toolchain() -> Toolchain:
    """Find the compilers.

    Returns:
        Those of the first place that has an nvcc: CUDA_HOME, CUDA_PATH, PATH,
        /usr/local/cuda, the Python packages of NVIDIA. A variable is the wish of the user and
        comes before what happens to be on PATH.

    Raises:
        LibraryError: nvcc or the host compiler is missing, broken, incomplete or too old.
    """
    nvcc, source = find_nvcc()
    _require_complete(nvcc)
    version = _version(nvcc)
    host, host_version = _host()
    listed = f"{_ask(nvcc, '--list-gpu-code')}\n{_ask(nvcc, '--list-gpu-arch')}"
    architectures = frozenset(re.findall(r"^(?:sm|compute)_\w+$", listed, re.MULTILINE))
    return Toolchain(nvcc, version, source, host, host_version, architectures)


def find_nvcc() -> tuple[Path, str]:
    """Find nvcc.

    Returns:
        Its path, and how it was found.

    Raises:
        LibraryError: there is none, or none where CUDA_HOME or CUDA_PATH points to.
    """
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if stated := os.environ.get(variable):
            path = Path(stated) / "bin" / "nvcc"
            if not _runnable(path):
                raise LibraryError(
                    f"{variable} must name the folder of a CUDA toolkit; there is no {path}\n"
                    f"Correct the variable, or unset it. {INSTALL_NVCC}"
                )
            return path, variable
    for path, source in _places():
        if _runnable(path):
            return path, source
    raise LibraryError(
        "nvcc is missing: it is not on PATH, CUDA_HOME and CUDA_PATH are not set, and the "
        f"Python packages of NVIDIA hold none\n{INSTALL_NVCC}"
    )


def _places() -> Iterator[tuple[Path, str]]:
    """Name where nvcc may be, when no variable says so."""
    if on_path := shutil.which("nvcc"):
        yield Path(on_path), "PATH"
    yield USUAL_NVCC, str(USUAL_NVCC.parents[1])
    packages = importlib.util.find_spec("nvidia")  # a namespace: finding it runs no code
    for folder in (packages and packages.submodule_search_locations) or ():
        found = sorted(Path(folder).glob("cu[0-9]*/bin/nvcc"), key=_cuda_major, reverse=True)
        yield from ((path, "Python packages of NVIDIA") for path in found)


def _cuda_major(nvcc: Path) -> int:
    """Read 13 from ".../cu13/bin/nvcc"."""
    return int(re.sub(r"\D", "", nvcc.parents[1].name) or 0)


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _require_complete(nvcc: Path) -> None:
    """Name the packages that are missing beside an nvcc that came as one."""
    root = nvcc.parents[1]
    if not re.fullmatch(r"cu\d+", root.name):  # a toolkit is installed as a whole
        return
    missing = {wheel for file, wheel in WHEELS.items() if not (root / file).exists()}
    if missing:
        names = " ".join(sorted(missing))
        raise LibraryError(f"{nvcc} is incomplete\nInstall the rest: pip install {names}")


def _version(nvcc: Path) -> str:
    """Read the version that nvcc states."""
    stated = re.search(r"release [\d.]+, V([\d.]+)", _ask(nvcc, "--version"))
    if stated is None:
        raise LibraryError(f"{nvcc} does not state its version\n{INSTALL_NVCC}")
    if numbers(stated[1]) < _OLDEST:
        least = ".".join(map(str, _OLDEST))
        raise LibraryError(f"nvcc must be {least} or newer; {nvcc} is {stated[1]}\n{INSTALL_NVCC}")
    return stated[1]


def _host() -> tuple[str, str]:
    """Find the host compiler as nvcc does, and ask its version."""
    command = os.environ.get("NVCC_CCBIN") or "g++"
    if Path(command).is_dir():  # nvcc takes a folder too
        command = str(Path(command) / "g++")
    found = shutil.which(command)
    if found is None:
        raise LibraryError(f"nvcc needs a C++ compiler; there is no {command}\n{INSTALL_HOST}")
    return found, _ask(Path(found), "-dumpfullversion", "-dumpversion").strip()


@functools.lru_cache(maxsize=32)
def _ask(program: Path, *arguments: str) -> str:
    """Run a compiler for what it prints about itself."""
    try:
        done = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LibraryError(f"cannot run {program}: {error}\n{INSTALL_NVCC}") from error
    if done.returncode != 0:
        raise LibraryError(
            f"`{program} {' '.join(arguments)}` failed: {done.stderr.strip()}\n{INSTALL_NVCC}"
        )
    return done.stdout
