"""Atomic writes, and hashes of files."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from .failures import OF_WRITING, failure, failures_as_errors, is_folder, named

try:
    import fcntl
except ImportError:  # not on every system; leftovers stay there
    fcntl = None  # type: ignore[assignment]

_HASH_BLOCK_BYTES: Final = 1 << 20
_PREFIX: Final = ".csakit-"
_TEMPORARY: Final = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{8}(\.[^.]*)?")
_LONGEST_SUFFIX: Final = 32
_TRIES: Final = 5
_STREAMS: Final = (Path("/dev"), Path("/dev/fd"))

_swept: set[Path] = set()  # folders where this process has looked for leftovers


@contextlib.contextmanager
def atomic_write(output: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``output`` when the block ends without an error.

    The temporary file lies beside the output, for an atomic move, and keeps its suffix, by which
    writers choose formats. An error removes it; leftovers of a killed process go with the next.
    If the output is a link, the file that it leads to is replaced and the link stays.

    Raises:
        ContractError: the folder does not exist or cannot be written, or the output is a folder,
            a device, a pipe, a link that leads to no file, or has a zero byte in its name.
    """
    target = written_file(output)
    with _reserved(target) as temporary:
        with failures_as_errors(f"write {output}"):
            mode = temporary.stat().st_mode  # of the user's umask; some writers make files private
        yield temporary
        with failures_as_errors(f"write {output}"):
            temporary.chmod(mode)
            temporary.replace(target)


def written_file(output: Path) -> Path:
    """Return the file that a write to ``output`` replaces; see ``atomic_write`` for refusals."""
    if "\0" in str(output):
        raise ContractError(f"the name of an output cannot hold a zero byte; got {str(output)!r}")
    if is_folder(output):
        raise ContractError(f"the output must be a file; {output} is a folder")
    if _is_special(output):
        raise ContractError(f"the output must be a file, to be replaced; got {named(output)}")
    return followed(output)


def followed(output: Path) -> Path:
    """Return what an output links to, or itself; ContractError if a link leads to nothing."""
    with failures_as_errors(f"write {output}"):
        if not output.is_symlink():
            return output
        if not output.exists():
            raise ContractError(
                f"an output that is a link must lead to what exists; got {named(output)}\n"
                "Remove the link, or choose another output."
            )
        return output.resolve()


def _is_special(output: Path) -> bool:
    """Report whether replacing an output would destroy a device, a pipe or a link to one."""
    with failures_as_errors(f"write {output}"):
        there = output.exists() and not output.is_file()
        stream = output.parent in _STREAMS or output.parts[:2] == ("/", "proc")
        return there or (stream and output.is_symlink())  # /dev/stdout, which may be a file


@contextlib.contextmanager
def staged_folder(output: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``output``, removed at the end; see ``atomic_write``."""
    with _reserved(output, folder=True) as temporary:
        yield temporary


@contextlib.contextmanager
def _reserved(output: Path, *, folder: bool = False) -> Iterator[Path]:
    """Create an empty file or folder beside an output, locked; remove it if it is still there."""
    _remove_leftovers(output.parent)
    suffix = "" if folder or len(output.suffix) > _LONGEST_SUFFIX else output.suffix
    try:
        temporary, lock = _create(output.parent, suffix, folder=folder)
    except OSError as error:
        problem = failure(error, f"write {output}") or error
        raise type(problem)(
            f"{str(problem).partition(chr(10))[0]}\n"
            f"Choose an existing folder with write permission (here: {output.parent})."
        ) from error
    try:
        yield temporary
    except OSError as error:
        if error.errno in OF_WRITING:
            raise failure(error, f"write {output}") or error from error
        raise
    finally:
        _remove(temporary)
        if lock is not None:
            os.close(lock)


def _create(parent: Path, suffix: str, *, folder: bool) -> tuple[Path, int | None]:
    """Create a file or folder of a new short name, and lock it against removal by others."""
    for _ in range(_TRIES):
        path = parent / f"{_PREFIX}{secrets.token_hex(4)}{suffix}"
        if folder:
            path.mkdir()
        else:
            path.touch(exist_ok=False)
        if fcntl is None:
            return path, None
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # another process took it for a leftover
            continue
        except OSError:
            _remove(path)
            raise
        if _lock(handle) and os.path.lexists(path):
            return path, handle
        os.close(handle)
    raise OSError(errno.EAGAIN, f"no temporary file in {parent} stays")


def _lock(handle: int) -> bool:
    """Lock an open file until it is closed, or this process ends; report whether it is ours."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can take it for a leftover
        return True
    return True


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder: temporary files that nobody locks."""
    if fcntl is None or folder.absolute() in _swept:
        return
    _swept.add(folder.absolute())
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    handle = os.open(path, os.O_RDONLY)
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        _remove(path)
                    finally:
                        os.close(handle)


def _remove(path: Path) -> None:
    """Remove a temporary file or folder, if it is still there; the next run tries again."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sha256(path: Path) -> str:
    """Return the hash of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with failures_as_errors(f"read {path}"), path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
