"""Find the tools of a build, from nvcc to TensorRT's headers, and explain compiler errors."""

import dataclasses
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .errors import LibraryError
from .locations import BUILD_COMMAND, cache_folder
from .tensorrt_flavours import FLAVOURS, OLDEST, UNKNOWN
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
INSTALL_CMAKE: Final = (
    "Install both: pip install cmake ninja   or, on Debian and Ubuntu: apt install cmake "
    "ninja-build"
)
USUAL_NVCC: Final = Path("/usr/local/cuda/bin/nvcc")  # JetPack leaves it off PATH
_OLDEST_NVCC: Final = (11, 8)  # the first that knows sm_89 and sm_90; C++17 came with 11.0
_CMAKE: Final = MappingProxyType({"cmake": "CMake", "ninja": "Ninja"})

INCLUDE_VARIABLE: Final = "CSAKIT_TENSORRT_INCLUDE"
SYSTEM_FOLDERS: Final = (  # of Debian packages and JetPack; of NVIDIA's tar files in /usr/local
    Path("/usr/include/x86_64-linux-gnu"),
    Path("/usr/include/aarch64-linux-gnu"),
    Path("/usr/include"),
    Path("/usr/local/tensorrt/include"),
)
_REPOSITORY: Final = "https://github.com/NVIDIA/TensorRT"
# The newest branch release/ of each generation, when this was written.
_PUBLISHED: Final = MappingProxyType({10: (10, 16), 11: (11, 1)})
_MARK: Final = "NvInferRuntime.h"
_SHOWN_LINES: Final = 25  # of a failed compiler's output; the first ones name the cause
_REPORT: Final = re.compile(r"ptxas info|\s+\d+ bytes stack frame")  # lines to leave out


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """nvcc and the C++ compiler that it calls."""

    nvcc: Path
    version: str  # of nvcc, as "13.0.88"
    source: str  # how nvcc was found
    host: str  # command of the C++ compiler that nvcc calls
    host_version: str
    machine: str  # target of the C++ compiler, as "x86_64" or "aarch64"
    architectures: frozenset[str]  # targets of nvcc, as "sm_75" and "compute_75"

    def __str__(self) -> str:
        return f"nvcc {self.version} with {Path(self.host).name} {self.host_version}"


@dataclasses.dataclass(frozen=True)
class Headers:
    """TensorRT's headers: the folder of NvInferRuntime.h, and the version, as "10.13.0"."""

    folder: Path
    version: str


def find_toolchain() -> Toolchain:
    """Return the compilers of the first place that has an nvcc, see ``find_nvcc``."""
    nvcc, source = find_nvcc()
    _require_complete(nvcc)
    version = _version(nvcc)
    host, host_version, machine = _host()
    listed = f"{_ask(nvcc, '--list-gpu-code')}\n{_ask(nvcc, '--list-gpu-arch')}"
    architectures = frozenset(re.findall(r"^(?:sm|compute)_\w+$", listed, re.MULTILINE))
    return Toolchain(nvcc, version, source, host, host_version, machine, architectures)


def find_nvcc() -> tuple[Path, str]:
    """Return the path of nvcc and how it was found; variables, set on purpose, come first."""
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if stated := os.environ.get(variable):
            path = Path(stated) / "bin" / "nvcc"
            if not shutil.which(path):
                raise LibraryError(
                    f"{variable} must name the folder of a CUDA toolkit; there is no {path}\n"
                    f"Correct the variable, or unset it. {INSTALL_NVCC}"
                )
            return path, variable
    for path, source in _places():
        if shutil.which(path):
            return path, source
    raise LibraryError(
        "nvcc is missing: it is not on PATH, CUDA_HOME and CUDA_PATH are not set, and the "
        f"Python packages of NVIDIA hold none\n{INSTALL_NVCC}"
    )


def find_cmake() -> tuple[str, str]:
    """Return the commands of CMake and Ninja: those on PATH, else those that pip installed."""
    scripts = sysconfig.get_path("scripts")  # of an environment that is not activated
    found = {name: shutil.which(name) or shutil.which(name, path=scripts) for name in _CMAKE}
    if missing := [title for name, title in _CMAKE.items() if found[name] is None]:
        raise LibraryError(
            f"a build needs CMake and Ninja; missing: {', '.join(missing)}\n{INSTALL_CMAKE}"
        )
    return str(found["cmake"]), str(found["ninja"])


def explain(printed: str) -> str:
    """Return the relevant lines of a failed build, with the remedy for known causes."""
    start = re.search(r"^(?=CMake Error)|^FAILED: .*\n.*\n", printed, re.MULTILINE)
    rest = printed[start.end() if start else 0 :]  # after "FAILED: <object>" and the command
    lines = [line for line in rest.splitlines() if line and not _REPORT.match(line)]
    text = "\n".join(lines[:_SHOWN_LINES])
    if "unsupported GNU version" in printed or "unsupported clang version" in printed:
        newest = re.search(r"versions? later than ([\d.]+)", printed)
        wanted = f"version {newest[1]} or older" if newest else "an older one"
        return (
            f"the C++ compiler is too new for this nvcc\n{text}\nInstall {wanted} and name it in "
            "NVCC_CCBIN, or install a newer CUDA toolkit."
        )
    if cross := re.search(
        r"(targets/\S+?)/(?s:.*)(cuda_runtime\.h: No such file|cannot find -lcudart)", printed
    ):
        return (
            f"nvcc has no CUDA for the machine of this C++ compiler: {cross[1]} is incomplete\n"
            "Install NVIDIA's package cuda-cross-aarch64 or cuda-cross-sbsa of the same version, "
            "or unset NVCC_CCBIN."
        )
    if "No space left on device" in printed:
        return f"{text}\nFree space on the disk of the cache and of the temporary folder."
    if re.search(r"(gcc|g\+\+)\S*: (command )?not found|cannot execute|trying to exec", printed):
        return f"{text}\n{INSTALL_HOST}"
    return text


def find_headers(given: Path | None = None) -> Headers | None:
    """Return TensorRT's headers in a folder or the usual places; None if none were asked for."""
    if given is not None:
        return _require_headers(given, "--tensorrt-include")
    if stated := os.environ.get(INCLUDE_VARIABLE):
        return _require_headers(Path(stated), INCLUDE_VARIABLE)
    for folder in (*SYSTEM_FOLDERS, *_cached_headers()):
        found = _read_headers(folder)
        if found is not None and numbers(found.version) >= OLDEST:
            return found
    return None


def headers_folder() -> Path:
    """Return the folder of the cache that holds one folder of headers for each version."""
    return cache_folder() / "tensorrt-headers"


def how_to_get_headers() -> str:
    """Return the commands that fetch the headers of the installed TensorRT."""
    version = installed_tensorrt()
    # Headers may be older than TensorRT: if its own are not published, take the newest.
    newest = _PUBLISHED[max(_PUBLISHED)]
    wanted = max(numbers(version), OLDEST) if version else newest
    release = ".".join(map(str, min(wanted, _PUBLISHED.get(wanted[0], newest))))
    which = f"TensorRT {version} is installed" if version else "TensorRT is no Python package here"
    folder, kept = (shlex.quote(str(headers_folder() / part)) for part in ("", release))
    return (
        f"TensorRT's headers are in its public repository ({which}; choose the release of the "
        "TensorRT that will load the plugin). Fetch them once:\n"
        f"  git clone --depth 1 --branch release/{release} {_REPOSITORY} tensorrt-{release}\n"
        f"  mkdir -p {folder} && cp -r tensorrt-{release}/include {kept}\n"
        f"and build again: {BUILD_COMMAND}"
    )


def installed_tensorrt() -> str | None:
    """Return the version of TensorRT that pip installed, None without one; imports nothing."""
    found = (FLAVOURS[module].version() for module in ("tensorrt", "tensorrt_lean"))
    return next((version for version in found if version and version != UNKNOWN), None)


def _places() -> Iterator[tuple[Path, str]]:
    """Yield the places to search for nvcc if no variable names it, with their names."""
    if on_path := shutil.which("nvcc"):
        yield Path(on_path), "PATH"
    yield USUAL_NVCC, str(USUAL_NVCC.parents[1])
    packages = importlib.util.find_spec("nvidia")  # a namespace: finding it runs no code
    for folder in (packages and packages.submodule_search_locations) or ():
        found = Path(folder).glob("cu[0-9]*/bin/nvcc")
        for path in sorted(found, key=lambda path: numbers(path.parents[1].name), reverse=True):
            yield path, "Python packages of NVIDIA"


def _require_complete(nvcc: Path) -> None:
    """Require the rest of the toolkit beside an nvcc that came as a Python package."""
    root = nvcc.parents[1]
    if not re.fullmatch(r"cu\d+", root.name):  # a toolkit is installed as a whole
        return
    missing = {wheel for file, wheel in WHEELS.items() if not (root / file).exists()}
    if missing:
        names = " ".join(sorted(missing))
        raise LibraryError(f"{nvcc} is incomplete\nInstall the rest: pip install {names}")


def _version(nvcc: Path) -> str:
    """Return nvcc's version."""
    stated = re.search(r"release [\d.]+, V([\d.]+)", _ask(nvcc, "--version"))
    if stated is None:
        raise LibraryError(f"{nvcc} does not state its version\n{INSTALL_NVCC}")
    if numbers(stated[1]) < _OLDEST_NVCC:
        least = ".".join(map(str, _OLDEST_NVCC))
        raise LibraryError(f"nvcc must be {least} or newer; {nvcc} is {stated[1]}\n{INSTALL_NVCC}")
    return stated[1]


def _host() -> tuple[str, str, str]:
    """Return the C++ compiler that nvcc uses, its version, and its target machine."""
    command = os.environ.get("NVCC_CCBIN") or "g++"
    if Path(command).is_dir():  # nvcc takes a folder too
        command = str(Path(command) / "g++")
    found = shutil.which(command)
    if found is None:
        raise LibraryError(f"nvcc needs a C++ compiler; there is no {command}\n{INSTALL_HOST}")
    version = _ask(Path(found), "-dumpfullversion", "-dumpversion").strip()
    return found, version, _ask(Path(found), "-dumpmachine").strip().partition("-")[0]


@functools.lru_cache(maxsize=32)
def _ask(program: Path, *arguments: str) -> str:
    """Return the output of a compiler query."""
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


def _cached_headers() -> list[Path]:
    """List the folders of the cache: the installed version first, then the newest."""
    installed = numbers(installed_tensorrt() or "")
    folders = (path for path in headers_folder().glob("*") if path.is_dir())

    def rank(folder: Path) -> tuple[bool, tuple[int, ...]]:
        return numbers(folder.name) == installed, numbers(folder.name)

    return sorted(folders, key=rank, reverse=True)


def _require_headers(folder: Path, source: str) -> Headers:
    """Return the headers in a requested folder; LibraryError without them."""
    found = _read_headers(folder)
    if found is None:
        raise LibraryError(
            f"{source} must name a folder that holds {_MARK}; got {folder}\n{how_to_get_headers()}"
        )
    if numbers(found.version) < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise LibraryError(
            f"TensorRT's headers must be {least} or newer; {found.folder} is {found.version}\n"
            f"{how_to_get_headers()}"
        )
    return found


def _read_headers(place: Path) -> Headers | None:
    """Read the headers in a folder or in its folder ``include``; None if there are none."""
    for folder in (place, place / "include"):
        try:
            text = (folder / "NvInferVersion.h").read_text(errors="replace")
        except OSError:
            continue
        pairs: list[tuple[str, str]] = re.findall(r"^#define\s+(\w+)\s+(\w+)", text, re.MULTILINE)
        defined = dict(pairs)
        stated = (defined.get(f"NV_TENSORRT_{part}", "") for part in ("MAJOR", "MINOR", "PATCH"))
        parts = [defined.get(value, value) for value in stated]  # newer ones name another macro
        if (folder / _MARK).is_file() and all(part.isdigit() for part in parts):
            return Headers(folder, ".".join(parts))
    return None
