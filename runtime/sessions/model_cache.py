"""A cache of optimised models, for faster starts.

An entry is a folder: the optimised model, its weights in a file that is mapped into memory, and
``entry.json`` with size and time of its sources and of its own files. Its name is a hash of
the model's path, the library's version and options, and the processor, so that a change of any of
them leads to a new entry. Entries lie where only this user or the system can write.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins import locations
from ..files.atomic import staged_folder
from ..files.onnx_header import read_onnx_header
from ..host import processor_kind
from ..models.packaged import FOLDER

logger = logging.getLogger(__name__)

BESIDE: Final = ".csakit-cache"  # in the folder of the model
MODEL_FILE: Final = "model.onnx"
WEIGHTS_FILE: Final = "model.weights"
ENTRY_FILE: Final = "entry.json"  # its modification time is that of the last use
MIN_BYTES: Final = 1 << 20  # smaller models are optimised in a few milliseconds
MAX_BYTES: Final = 4 << 30  # per folder; seven models of the published width
_FREE_FACTOR: Final = 2  # times the size of a new entry must be free on the disk
_FORMAT: Final = 3  # of entries; increased when older ones would be wrong
_SECOND_NS: Final = 10**9
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_STALE: Final = "absent or of an older model"  # needs no warning


@dataclasses.dataclass(frozen=True)
class CachedModel:
    """One model's optimised copy, which may not exist yet."""

    model: Path  # the file that was exported
    entries: tuple[Path, ...]  # possible places of the copy, best first

    @classmethod
    def of(cls, model: Path, environment: Mapping[str, str]) -> "CachedModel":
        """Return the copy for a library and its options; without entries on unknown processors."""
        processor = processor_kind()
        key = [_FORMAT, str(model.resolve()), processor, dict(environment)]
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        folders = folders_for(model) if processor else []
        return cls(model, tuple(folder / f"{model.stem}-{digest[:16]}" for folder in folders))

    def find(self) -> Path | None:
        """Return the optimised model, or None without a valid entry; warn of an unsafe one."""
        for entry in self.entries:
            try:
                problem = self._problem(entry)
            except Exception as error:  # the content may be anything
                problem = f"unreadable ({error})"
            if problem is None:
                with contextlib.suppress(OSError):
                    os.utime(entry / ENTRY_FILE)
                return entry / MODEL_FILE
            if problem != _STALE:
                text = "the optimised copy of %s in %s is not used: it is %s"
                logger.warning(text, self.model, entry, problem)
        return None

    def make(self, write: Callable[[Path], object]) -> bool:
        """Create the copy by ``write(path)`` if possible; report whether it was made."""
        try:
            weights = (self.model.parent / name for name in read_onnx_header(self.model).external)
            sources = [self.model, *filter(Path.is_file, weights)]
            size = sum(path.stat().st_size for path in sources)
            if size < MIN_BYTES:
                return False
            for entry in self.entries:
                if prepare(entry.parent) and has_room(entry.parent, size):
                    with _only_process(entry.parent), staged_folder(entry) as draft:
                        return _make(entry, draft, sources, write)
        except Exception as error:  # the library's, or the disk's
            logger.info("no optimised copy of %s was made: %s", self.model, error)
        return False

    def _problem(self, entry: Path) -> str | None:
        """Return what is wrong with an entry; None if nothing is."""
        if not entry.exists():
            return _STALE
        files = [entry / name for name in (ENTRY_FILE, MODEL_FILE, WEIGHTS_FILE)]
        if not all(map(trusted, (entry.parent, entry, *files))):
            return "open to other users"
        stated = json.loads(files[0].read_text())
        if not _unchanged(entry, stated["files"]):
            return "damaged"
        return None if _unchanged(entry, stated["sources"]) else _STALE


def _make(entry: Path, draft: Path, sources: list[Path], write: Callable[[Path], object]) -> bool:
    """Fill a draft and rename it; False if the model changed meanwhile."""
    before = _stamps(sources)
    draft.chmod(0o700)
    write(draft / MODEL_FILE)
    files = [draft / MODEL_FILE, draft / WEIGHTS_FILE]
    own = {Path(name).name: stamp for name, stamp in _stamps(files).items()}
    (draft / ENTRY_FILE).write_text(json.dumps({"sources": before, "files": own}, indent=1) + "\n")
    for path in draft.iterdir():
        path.chmod(0o600)
        with path.open("rb") as file:  # else a power cut could leave a file of zeros
            os.fsync(file.fileno())
    if _stamps(sources) != before:  # it is being exported again
        return False
    shutil.rmtree(entry, ignore_errors=True)
    draft.rename(entry)
    prune(entry.parent, entry)
    return True


def _stamps(paths: list[Path]) -> dict[str, list[int]]:
    found = {str(path.resolve()): path.stat() for path in paths}
    return {name: [each.st_size, each.st_mtime_ns] for name, each in found.items()}


def _unchanged(folder: Path, stamps: Mapping[str, Any]) -> bool:
    """Report whether files have the same size and time, which archives round to a second."""
    with contextlib.suppress(OSError):  # weights that the model no longer has
        found = {name: (folder / name).stat() for name in stamps}
        return all(
            found[name].st_size == size
            and found[name].st_mtime_ns in (modified, modified // _SECOND_NS * _SECOND_NS)
            for name, (size, modified) in stamps.items()
        )
    return False


def folders_for(model: Path) -> list[Path]:
    """List the folders that copies of a model may lie in, best first; they need not exist."""
    if not hasattr(os, "geteuid"):
        return []
    found = []
    with contextlib.suppress(OSError):
        # Beside the model, so that both are deleted, moved and mounted together; but not in the
        # package's own folder, where uninstalling would leave the copy.
        if model.parent != FOLDER and model.parent.stat().st_uid in _trusted_users():
            found.append(model.parent / BESIDE)
    caches = locations.cache_folder()
    return [*found, caches / "models"] if caches.is_absolute() else found


def prepare(folder: Path) -> bool:
    """Create a folder for copies; False unless this user can write it and others cannot."""
    try:
        if folder.name == BESIDE and folder.parent.stat().st_uid != os.geteuid():
            return False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return trusted(folder) and os.access(folder, os.W_OK)
    except OSError:
        return False


def trusted(path: Path) -> bool:
    """Report whether only this user or the system's can have written a file or folder."""
    found = path.lstat()
    return (
        not stat.S_ISLNK(found.st_mode)
        and found.st_uid in _trusted_users()
        and not found.st_mode & _OTHERS_WRITE
    )


def has_room(folder: Path, size: int) -> bool:
    """Report whether an entry fits into the limit of its folder, and twice into the free space."""
    return size <= MAX_BYTES and shutil.disk_usage(folder).free >= _FREE_FACTOR * size


def prune(folder: Path, newest: Path) -> None:
    """Remove the least recently used entries above the limit, but not the newest one."""
    found = []
    for file in folder.glob(f"*/{ENTRY_FILE}"):
        entry = file.parent
        with contextlib.suppress(OSError):  # it was removed meanwhile
            used = math.inf if entry == newest else file.stat().st_mtime
            found.append((used, sum(path.stat().st_size for path in entry.iterdir()), entry))
    total = 0
    for _, size, entry in sorted(found, reverse=True):
        if total + size > MAX_BYTES and entry != newest:
            shutil.rmtree(entry, ignore_errors=True)
        else:
            total += size


def _trusted_users() -> set[int]:
    """Return this user, and the one who installs what all users run."""
    return {os.geteuid(), 0}


@contextlib.contextmanager
def _only_process(folder: Path) -> Iterator[None]:
    """Keep other processes from making entries in a folder; raise OSError if one does."""
    import fcntl  # not on every system; those without it have no entries

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
