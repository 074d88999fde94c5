"""Copies of models that a runtime library has optimised already, so that it starts at once.

An entry is a folder: the optimised model, its weights in a file of their own that is mapped
into memory instead of read, and ``entry.json``, which says what it was made from. It is used
only if all of that is true now: the version of the library and the kind of processor, because
an optimised graph may hold layouts that others cannot run; the files of the model; and the files
of the entry. Whatever differs leads to a new entry, never to a result.

An entry gets its name when it is complete, by one rename; a process that was killed leaves
nothing that is looked at. Of several processes that start at once, one makes the entry and the
others go without.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..host import processor_kind
from .cache_folder import (
    ENTRY_FILE,
    entry_path,
    folders_for,
    has_room,
    prepare,
    prune,
    remove,
    trusted,
)
from .fingerprint import external_files, fingerprint

logger = logging.getLogger(__name__)

MODEL_FILE: Final = "model.onnx"
WEIGHTS_FILE: Final = "model.weights"
MIN_BYTES: Final = 1 << 20  # of a model; smaller ones are optimised in a few milliseconds
_FORMAT: Final = 1  # of entries; raised when older ones would be wrong
_KEY_DIGITS: Final = 16
_STALE: Final = "absent or of an older model"  # nothing to warn of


@dataclasses.dataclass(frozen=True)
class CachedModel:
    """One model's optimised copy, which may not exist yet.

    Attributes:
        model: the file that was exported.
        entries: where the copy may lie, best first.
        environment: what it depends on besides the model.
    """

    model: Path
    entries: tuple[Path, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, model: Path, environment: Mapping[str, str]) -> "CachedModel":
        """Choose the places of a copy.

        Args:
            model: an existing file.
            environment: version and options of the library; the processor is added.

        Returns:
            The copy; without a place if the kind of processor is unknown.
        """
        processor = processor_kind()
        full = {
            "format": str(_FORMAT),
            "model": str(model.resolve()),
            "processor": processor or "",
            **environment,
        }
        digest = hashlib.sha256(json.dumps(full, sort_keys=True).encode()).hexdigest()
        folders = folders_for(model) if processor else []
        entries = (entry_path(folder, model, digest[:_KEY_DIGITS]) for folder in folders)
        return cls(model, tuple(entries), full)

    def find(self) -> Path | None:
        """Look for a copy that is right.

        Logs a warning if there is one that is damaged, or that others could have written.

        Returns:
            The optimised model; None if there is none that may be used.
        """
        for entry in self.entries:
            try:
                problem = self._problem(entry) if entry.exists() else _STALE
            except Exception as error:  # whatever someone wrote there
                problem = f"unreadable ({error})"
            if problem is None:
                with contextlib.suppress(OSError):
                    os.utime(entry / ENTRY_FILE)  # the time of the last use
                return entry / MODEL_FILE
            if problem != _STALE:
                logger.warning(
                    "the optimised copy of %s in %s is not used: it is %s",
                    *(self.model, entry, problem),
                )
        return None

    def make(self, write: Callable[[Path], object]) -> bool:
        """Make the copy, if that is possible here and now.

        Args:
            write: makes an optimised model at a path named ``MODEL_FILE``, and its weights
                beside it, named ``WEIGHTS_FILE``. It may raise what it likes.

        Returns:
            Whether it was made. If not, the reason is logged for information: without a copy
            the model runs as well, it only starts later.
        """
        try:
            sources = [self.model, *external_files(self.model)]
            size = sum(path.stat().st_size for path in sources)
            if size < MIN_BYTES:
                return False
            for entry in self.entries:
                if prepare(entry.parent) and has_room(entry.parent, size):
                    with _only_process(entry.parent):
                        return self._make(entry, sources, write)
        except Exception as error:  # of the library, or of the disk
            logger.info("no optimised copy of %s was made: %s", self.model, error)
        return False

    def _make(self, entry: Path, sources: list[Path], write: Callable[[Path], object]) -> bool:
        """Make the copy, being the only process that does."""
        before = _fingerprints(sources)
        draft = entry.with_name(f".{entry.name}.{secrets.token_hex(4)}")
        try:
            draft.mkdir(mode=0o700)
            write(draft / MODEL_FILE)
            if _fingerprints(sources) != before:  # it is being exported again
                return False
            self._sign(draft, before)
            remove(entry)
            draft.rename(entry)
        finally:
            remove(draft)
        prune(entry.parent, entry, self.model)
        return True

    def _sign(self, draft: Path, sources: dict[str, Any]) -> None:
        """Say what the entry was made from and what it holds, once all of it is on the disk."""
        files = [draft / MODEL_FILE, draft / WEIGHTS_FILE]
        for path in files:
            path.chmod(0o600)
            _flush(path)
        own = {path.name: fingerprint(path) for path in files}
        entry = {"environment": dict(self.environment), "sources": sources, "files": own}
        signed = draft / ENTRY_FILE
        signed.write_text(json.dumps(entry, indent=1, sort_keys=True) + "\n")
        signed.chmod(0o600)
        _flush(signed)

    def _problem(self, folder: Path) -> str | None:
        """Say what is wrong with an entry; None if nothing is."""
        files = [folder / name for name in (ENTRY_FILE, MODEL_FILE, WEIGHTS_FILE)]
        if not all(map(trusted, (folder.parent, folder, *files))):
            return "open to other users"
        entry = json.loads(files[0].read_text())
        if entry["environment"] != dict(self.environment):
            return "of another environment"
        if {path.name: fingerprint(path) for path in files[1:]} != entry["files"]:
            return "damaged"
        try:
            same = _fingerprints(map(Path, entry["sources"])) == entry["sources"]
        except OSError:  # weights that the model no longer has
            same = False
        return None if same else _STALE


def _fingerprints(paths: Iterable[Path]) -> dict[str, Any]:
    """Recognise several files, by their absolute paths."""
    return {str(path.resolve()): fingerprint(path) for path in paths}


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


def _flush(path: Path) -> None:
    """Wait until a file is on the disk; a power cut would otherwise leave zeros under its name."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
