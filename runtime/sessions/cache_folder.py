"""Where copies of models may lie: folders that only this user can write, bounded in size."""

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Final

from ..models.packaged import FOLDER

BESIDE: Final = ".csakit-cache"  # in the folder of the model
ENTRY_FILE: Final = "entry.json"  # of an entry; its time is that of the last use

MAX_BYTES: Final = 4 << 30  # of one folder; seven models of the published width
MAX_PER_MODEL: Final = 2  # say, of two machines that share a folder, or two environments
_FREE_FACTOR: Final = 2  # of the bytes of a new entry, which must be free on the disk
_ABANDONED_S: Final = 3600  # after which an unfinished entry is of a process that was killed

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def folders_for(model: Path) -> list[Path]:
    """List the folders that copies of a model may lie in, best first; they need not exist.

    Beside the model, so that they are deleted, moved and mounted together, if its folder is
    this user's or the system's; then among the user's caches (``$XDG_CACHE_HOME``,
    ``~/.cache``).

    Args:
        model: a file.

    Returns:
        Folders; none where the system does not tell users apart.
    """
    if not hasattr(os, "geteuid"):
        return []
    found = []
    with contextlib.suppress(OSError):
        # not in the package's own folder, where uninstalling would leave the copy
        if model.parent != FOLDER and model.parent.stat().st_uid in _trusted_users():
            found.append(model.parent / BESIDE)
    with contextlib.suppress(RuntimeError):  # no home
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        if caches.is_absolute():
            found.append(caches / "csakit" / "models")
    return found


def prepare(folder: Path) -> bool:
    """Create a folder for copies, if that is possible.

    Args:
        folder: one of ``folders_for``.

    Returns:
        Whether this user can write it and others cannot. A folder beside a model is only made
        in this user's own: nothing is left among the files of others.
    """
    try:
        if folder.name == BESIDE and folder.parent.stat().st_uid != os.geteuid():
            return False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return trusted(folder) and os.access(folder, os.W_OK)
    except OSError:
        return False


def trusted(path: Path) -> bool:
    """Tell whether only this user or the system's can have written a file or folder.

    Args:
        path: of an existing one.

    Returns:
        Whether it is no link, belongs to one of them, and cannot be written by others.

    Raises:
        OSError: there is no such file.
    """
    found = path.lstat()
    return (
        not stat.S_ISLNK(found.st_mode)
        and found.st_uid in _trusted_users()
        and not found.st_mode & _OTHERS_WRITE
    )


def has_room(folder: Path, size: int) -> bool:
    """Tell whether an entry may be written without filling the disk.

    Args:
        folder: that it would be written to.
        size: of the entry in bytes.

    Returns:
        Whether it fits into the bound of the folder, and twice into what is free.
    """
    return size <= MAX_BYTES and shutil.disk_usage(folder).free >= _FREE_FACTOR * size


def prune(folder: Path, newest: Path, model: Path) -> None:
    """Remove what is over the bounds, least recently used first, and what was never finished.

    Args:
        folder: of the entries.
        newest: an entry that stays.
        model: whose entry that is.
    """
    own = _prefix(model)
    kept, kept_own, total = [newest], 1, entry_bytes(newest)
    for entry in sorted(_entries(folder), key=_last_use, reverse=True):
        if entry in kept:
            continue
        total += entry_bytes(entry)
        kept_own += entry.name.startswith(own)
        if total > MAX_BYTES or (entry.name.startswith(own) and kept_own > MAX_PER_MODEL):
            total -= entry_bytes(entry)
            remove(entry)
        else:
            kept.append(entry)
    for unfinished in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if time.time() - unfinished.lstat().st_mtime > _ABANDONED_S:
                remove(unfinished)


def entry_path(folder: Path, model: Path, key: str) -> Path:
    """Name the entry of a model.

    Args:
        folder: of the entries.
        model: its file.
        key: what else the entry depends on.

    Returns:
        The folder of the entry.
    """
    return folder / f"{_prefix(model)}{key}"


def remove(entry: Path) -> None:
    """Delete an entry, or what is left of it. Processes that have it open are not disturbed.

    Args:
        entry: a folder.
    """
    shutil.rmtree(entry, ignore_errors=True)


def entry_bytes(entry: Path) -> int:
    """Sum up the sizes of the files of an entry.

    Args:
        entry: a folder.

    Returns:
        Bytes; 0 for what was removed meanwhile.
    """
    try:
        return sum(path.stat().st_size for path in entry.iterdir())
    except OSError:
        return 0


def _trusted_users() -> set[int]:
    """Return this user, and the one who installs what all users run."""
    return {os.geteuid(), 0}


def _prefix(model: Path) -> str:
    """Start the names of a model's entries: its name, for people."""
    return f"{model.stem}-"


def _entries(folder: Path) -> list[Path]:
    """List finished entries."""
    return [path for path in folder.iterdir() if (path / ENTRY_FILE).is_file()]


def _last_use(entry: Path) -> float:
    """Return a time; the beginning of all times for what was removed meanwhile."""
    try:
        return (entry / ENTRY_FILE).stat().st_mtime
    except OSError:
        return 0.0
