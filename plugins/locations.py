"""Search path of the native libraries, and the folder of builds.

1. the environment variable ``CSAKIT_LIBRARY``: a library, or a folder of them;
2. a path that the caller knows, such as the one in the manifest of an engine;
3. the folder ``lib`` of this package;
4. builds in the user's cache, the newest first, but only those of the present sources.
"""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Final, Literal, get_args

# resolve(): a strict editable install runs from a tree of links that holds no sources
PACKAGE: Final = Path(__file__).resolve().parent
CSRC: Final = PACKAGE / "csrc"
INCLUDE: Final = PACKAGE / "include"
_SUFFIXES: Final = {".cu", ".cuh", ".h", ".cpp", ".map", ".txt"}

LIBRARY_VARIABLE: Final = "CSAKIT_LIBRARY"
PACKAGE_FOLDER: Final = PACKAGE / "lib"
BUILD_COMMAND: Final = "csakit plugin build"
RECORD_NAME: Final = "build.json"  # beside the libraries of one build
HASH_DIGITS: Final = 12  # of 64, in folder names: enough to avoid collisions

# The kernels; the TensorRT plugin; the same plugin, which registers itself when opened.
Kind = Literal["csakit", "csakit_trt", "csakit_trt_autoreg"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclasses.dataclass(frozen=True)
class Place:
    """One place of the search path."""

    why: str  # reason for searching it
    path: Path  # file to look for; ``*`` stands for the folder of a build

    @property
    def found(self) -> bool:
        """Whether the file is there."""
        return self.path.is_file()


def file_name(kind: Kind) -> str:
    """Return the name of a library's file, "libcsakit.so" for example."""
    return f"lib{kind}.so"


def cache_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/csakit``, else ``~/.cache/csakit``; it may not exist."""
    stated = os.environ.get("XDG_CACHE_HOME", "")
    if Path(stated).is_absolute():  # the XDG standard ignores relative paths
        return Path(stated) / "csakit"
    return Path(os.path.expanduser("~")) / ".cache" / "csakit"  # noqa: PTH111 - never fails


def builds_folder() -> Path:
    """Return the folder of the cache that holds one folder for each build."""
    return cache_folder() / "builds"


def source_hash(csrc: Path = CSRC) -> str:
    """Return the hash of all sources, as CMakeLists.txt computes it too."""
    root = csrc.parent
    names = sorted(
        path.relative_to(root).as_posix()
        for top in (csrc, root / INCLUDE.name)
        for path in top.rglob("*")
        if path.suffix in _SUFFIXES
    )
    hashes = (hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names)
    lines = (f"{digest}  {name}\n" for digest, name in zip(hashes, names, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def search_places(kind: Kind = "csakit", known: Path | None = None) -> list[Place]:
    """Return every place in the order of the search; ``known`` is a file or a folder."""
    name, places = file_name(kind), []
    if stated := os.environ.get(LIBRARY_VARIABLE):
        places.append(Place(f"environment variable {LIBRARY_VARIABLE}", _named(stated, kind)))
    if known is not None:
        path = known / name if known.is_dir() else known
        places.append(Place("path that the caller gave", path))
    places.append(Place("folder of the package", PACKAGE_FOLDER / name))
    fresh = f"{source_hash()[:HASH_DIGITS]}-*"
    builds = sorted(builds_folder().glob(f"{fresh}/{name}"), key=_age, reverse=True)
    cached = builds or [builds_folder() / fresh / name]
    return [*places, *(Place("cache of the user", path) for path in cached)]


def stale_builds(kind: Kind = "csakit") -> list[Path]:
    """Return the libraries in the cache that were built from other sources."""
    fresh = source_hash()[:HASH_DIGITS]
    found = builds_folder().glob(f"*/{file_name(kind)}")
    return sorted(path for path in found if not path.parent.name.startswith(f"{fresh}-"))


def _named(stated: str, kind: Kind) -> Path:
    """Read the environment variable: a folder, or libcsakit with the others beside it."""
    path = Path(stated)
    if path.is_dir():
        return path / file_name(kind)
    return path if kind == "csakit" else path.with_name(file_name(kind))


def _age(path: Path) -> float:
    """Return the build time in seconds; a file removed meanwhile counts as the oldest."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
