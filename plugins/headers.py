"""Find TensorRT's C++ headers, which no Python package holds, and say how to get them."""

import dataclasses
import os
import re
import shlex
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .errors import LibraryError
from .locations import BUILD_COMMAND, cache_folder
from .tensorrt_flavours import FLAVOURS, OLDEST, UNKNOWN
from .versions import numbers

INCLUDE_VARIABLE: Final = "CSAKIT_TENSORRT_INCLUDE"
SYSTEM_FOLDERS: Final = (  # of Debian packages and JetPack; of NVIDIA's tar files in /usr/local
    Path("/usr/include/x86_64-linux-gnu"),
    Path("/usr/include/aarch64-linux-gnu"),
    Path("/usr/include"),
    Path("/usr/local/tensorrt/include"),
)
REPOSITORY: Final = "https://github.com/NVIDIA/TensorRT"
# The newest branch release/ of each generation, when this was written.
_PUBLISHED: Final = MappingProxyType({10: (10, 16), 11: (11, 1)})
_MARK: Final = "NvInferRuntime.h"


@dataclasses.dataclass(frozen=True)
class Headers:
    """A folder of headers.

    Attributes:
        folder: that holds NvInferRuntime.h.
        version: of TensorRT, as "10.13.0".
    """

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """Give the first number of the version, which names the libraries of TensorRT."""
        return int(self.version.partition(".")[0])


def find_headers(given: Path | None = None) -> Headers | None:
    """Find the headers of TensorRT.

    Args:
        given: a folder that holds them, or one whose folder ``include`` does.

    Returns:
        The first of: the given folder, the one that CSAKIT_TENSORRT_INCLUDE names, the folders
        of system packages, the user's cache; None if there are none and none were asked for.

    Raises:
        LibraryError: the given or named folder holds none, or they are too old.
    """
    stated = os.environ.get(INCLUDE_VARIABLE)
    if given is not None:
        return _require(given, "--tensorrt-include")
    if stated:
        return _require(Path(stated), INCLUDE_VARIABLE)
    for folder in (*SYSTEM_FOLDERS, *_cached()):
        found = _read(folder) or _read(folder / "include")
        if found is not None and numbers(found.version) >= OLDEST:
            return found
    return None


def headers_folder() -> Path:
    """Give the folder of the cache that holds one folder of headers for each version."""
    return cache_folder() / "tensorrt-headers"


def installed_tensorrt() -> str | None:
    """Tell which TensorRT is installed as a Python package; imports nothing.

    Returns:
        Its version; None if there is none.
    """
    found = (FLAVOURS[module].version() for module in ("tensorrt", "tensorrt_lean"))
    return next((version for version in found if version and version != UNKNOWN), None)


def how_to_get() -> str:
    """Say how to get the headers of the installed TensorRT.

    Returns:
        Lines with commands. Headers of an older version serve a newer TensorRT, so where the
        repository lacks a version, its newest stands in.
    """
    version = installed_tensorrt()
    newest = _PUBLISHED[max(_PUBLISHED)]
    wanted = max(numbers(version), OLDEST) if version else newest
    release = ".".join(map(str, min(wanted, _PUBLISHED.get(wanted[0], newest))))
    which = f"TensorRT {version} is installed" if version else "TensorRT is no Python package here"
    folder, kept = (shlex.quote(str(headers_folder() / part)) for part in ("", release))
    return (
        f"TensorRT's headers are in its public repository ({which}; choose the release of the "
        "TensorRT that will load the plugin). Fetch them once:\n"
        f"  git clone --depth 1 --branch release/{release} {REPOSITORY} tensorrt-{release}\n"
        f"  mkdir -p {folder} && cp -r tensorrt-{release}/include {kept}\n"
        f"and build again: {BUILD_COMMAND}"
    )


def _cached() -> list[Path]:
    """List the folders of the cache: the installed version first, then the newest."""
    installed = numbers(installed_tensorrt() or "")
    folders = (path for path in headers_folder().glob("*") if path.is_dir())

    def rank(folder: Path) -> tuple[bool, tuple[int, ...]]:
        return numbers(folder.name) == installed, numbers(folder.name)

    return sorted(folders, key=rank, reverse=True)


def _require(folder: Path, source: str) -> Headers:
    """Read the headers of a folder that was asked for."""
    found = _read(folder) or _read(folder / "include")
    if found is None:
        raise LibraryError(
            f"{source} must name a folder that holds {_MARK}; got {folder}\n{how_to_get()}"
        )
    if numbers(found.version) < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise LibraryError(
            f"TensorRT's headers must be {least} or newer; {found.folder} is {found.version}\n"
            f"{how_to_get()}"
        )
    return found


def _read(folder: Path) -> Headers | None:
    """Read the version; None if this is no folder of headers."""
    try:
        text = (folder / "NvInferVersion.h").read_text(errors="replace")
    except OSError:
        return None
    if not (folder / _MARK).is_file():
        return None
    pairs: list[tuple[str, str]] = re.findall(r"^#define\s+(\w+)\s+(\w+)", text, re.MULTILINE)
    defined = dict(pairs)
    stated = (defined.get(f"NV_TENSORRT_{part}", "") for part in ("MAJOR", "MINOR", "PATCH"))
    numbers = [defined.get(value, value) for value in stated]  # newer ones name another macro
    if not all(number.isdigit() for number in numbers):
        return None
    return Headers(folder, ".".join(numbers))
