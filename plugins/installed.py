"""Status of the native libraries: where they are, for which GPUs, from which sources."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from .abi import ABI_VERSION
from .errors import LibraryError
from .library import Library, find_library
from .locations import RECORD_NAME, Kind, file_name, source_hash

_TYPES: Final = {"abi": int, "source_hash": str, "compiler": str, "tensorrt": str}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LibraryStatus:
    """Status of one native library."""

    kind: Kind
    path: Path | None = None  # None where it was not found
    problem: str | None = None  # why it cannot be used, with the remedy
    architectures: tuple[str, ...] = ()  # with code in the library; empty if unknown
    abi: int | None = None
    source_hash: str | None = None  # of the sources it was built from
    compiler: str | None = None
    tensorrt: str | None = None  # version of the headers

    @property
    def usable(self) -> bool:
        """Whether this csakit can load it."""
        return self.path is not None and self.problem is None

    @property
    def fresh(self) -> bool | None:
        """Whether it is built from the sources of this csakit; None if that is unknown."""
        return None if self.source_hash is None else self.source_hash == source_hash()

    @property
    def freshness(self) -> str:
        """``fresh`` in words."""
        if self.fresh is None:
            return "not known: no record of the build lies beside it"
        if self.fresh:
            return f"fresh: built from the sources of this csakit ({source_hash()[:12]})"
        return f"stale: built from {str(self.source_hash)[:12]}, these are {source_hash()[:12]}"

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        path = None if self.path is None else str(self.path)
        return {**dataclasses.asdict(self), "path": path, "fresh": self.fresh}


def library_status(kind: Kind = "csakit", known: Path | None = None) -> LibraryStatus:
    """Return the status of a library, perhaps at the path ``known``; never fails."""
    try:
        path = find_library(kind, known)
    except LibraryError as error:
        return LibraryStatus(kind=kind, problem=str(error))
    if kind != "csakit":  # only TensorRT can open it
        return _recorded(kind, path)
    try:
        info = Library(path).build_info()
    except LibraryError as error:
        return dataclasses.replace(_recorded(kind, path), problem=str(error))
    architectures = info["architectures"].split(",")
    return _status(kind, path, {**info, "architectures": architectures, "abi": ABI_VERSION})


def _recorded(kind: Kind, path: Path) -> LibraryStatus:
    """Return the status from the record beside a library; without a record, its path only."""
    try:
        record = json.loads((path.parent / RECORD_NAME).read_text())
    except (OSError, ValueError):
        return LibraryStatus(kind=kind, path=path)
    if not isinstance(record, dict) or file_name(kind) not in record.get("libraries", []):
        return LibraryStatus(kind=kind, path=path)
    return _status(kind, path, {**record, "compiler": record.get("toolchain")})


def _status(kind: Kind, path: Path, info: dict[str, Any]) -> LibraryStatus:
    """Return the status that a library or a record states; ignore values of wrong types."""
    stated = {
        name: info[name] for name, type_ in _TYPES.items() if isinstance(info.get(name), type_)
    }
    if kind == "csakit":
        stated.pop("tensorrt", None)  # its record is that of the plugins too
    if isinstance(info.get("architectures"), list):
        stated["architectures"] = tuple(map(str, info["architectures"]))
    return LibraryStatus(kind=kind, path=path, **stated)
