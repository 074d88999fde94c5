"""What is built of the native libraries, from which sources, and for which GPUs."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from .abi import ABI_VERSION
from .errors import LibraryError
from .library import Library, find_library
from .locations import RECORD_NAME, Kind, file_name
from .sources import source_hash

KINDS: Final[tuple[Kind, ...]] = ("csakit", "csakit_trt", "csakit_trt_autoreg")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holding:
    """One library: there or not, and what is known of it.

    Attributes:
        kind: of the library.
        path: where it was found; None if nowhere.
        problem: why it cannot be used, with the remedy; None if it can.
        architectures: that it holds code for; empty if that is unknown.
        abi: its ABI version; None if that is unknown.
        source_hash: of what it was built from; None if that is unknown.
        compiler: in words; None if that is unknown.
        tensorrt: version of the headers; None if it needs none or that is unknown.
    """

    kind: Kind
    path: Path | None = None
    problem: str | None = None
    architectures: tuple[str, ...] = ()
    abi: int | None = None
    source_hash: str | None = None
    compiler: str | None = None
    tensorrt: str | None = None

    @property
    def usable(self) -> bool:
        """Tell whether it can be loaded by this csakit."""
        return self.path is not None and self.problem is None

    @property
    def fresh(self) -> bool | None:
        """Tell whether it is built from the sources of this csakit; None if that is unknown."""
        return None if self.source_hash is None else self.source_hash == source_hash()

    @property
    def freshness(self) -> str:
        """Say that in words."""
        if self.fresh is None:
            return "not known: no record of the build lies beside it"
        if self.fresh:
            return f"fresh: built from the sources of this csakit ({source_hash()[:12]})"
        return f"stale: built from {str(self.source_hash)[:12]}, these are {source_hash()[:12]}"

    def as_json(self) -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        path = None if self.path is None else str(self.path)
        return {**dataclasses.asdict(self), "path": path, "fresh": self.fresh}


def survey(kind: Kind = "csakit", known: Path | None = None) -> Holding:
    """Find one library and tell what it is; never fails.

    Args:
        kind: of the library.
        known: where the caller believes it to be.

    Returns:
        What is known. libcsakit is opened and asked; of the others, which only TensorRT can
        open, the record of the build is read.
    """
    try:
        path = find_library(kind, known)
    except LibraryError as error:
        return Holding(kind=kind, problem=str(error))
    if kind != "csakit":
        return _recorded(kind, path)
    try:
        info = Library(path).build_info()
    except LibraryError as error:
        return dataclasses.replace(_recorded(kind, path), problem=str(error))
    architectures = info["architectures"].split(",")
    return _holding(kind, path, {**info, "architectures": architectures, "abi": ABI_VERSION})


def _recorded(kind: Kind, path: Path) -> Holding:
    """Read the record beside a library; without one little is known."""
    try:
        record = json.loads((path.parent / RECORD_NAME).read_text())
    except (OSError, ValueError):
        return Holding(kind=kind, path=path)
    if not isinstance(record, dict) or file_name(kind) not in record.get("libraries", []):
        return Holding(kind=kind, path=path)
    return _holding(kind, path, {**record, "compiler": record.get("toolchain")})


def _holding(kind: Kind, path: Path, info: dict[str, Any]) -> Holding:
    """Take over what a library or a record states, if it has the expected type."""

    def stated(name: str) -> str | None:
        value = info.get(name)
        return value if isinstance(value, str) else None

    architectures, abi = info.get("architectures"), info.get("abi")
    return Holding(
        kind=kind,
        path=path,
        architectures=tuple(map(str, architectures)) if isinstance(architectures, list) else (),
        abi=abi if isinstance(abi, int) else None,
        source_hash=stated("source_hash"),
        compiler=stated("compiler"),
        tensorrt=stated("tensorrt") if kind != "csakit" else None,
    )
