"""Messages for failures of the operating system: what failed, why, what to do."""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ...plugins.errors import ContractError, CsakitError, ResourceError

# Messages of libraries that do not raise MemoryError.
_NO_MEMORY: Final = re.compile(
    r"bad[_ ]?alloc|out of memory|cannot allocate memory|failed to allocate memory|length_error"
    r"|failed to map segment",
    re.IGNORECASE,
)
# How Rust libraries and ONNX Runtime print errno.
_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)|system error number (\d+)")
OF_WRITING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # errors of writing only
_PERMISSION: Final = "Allow it with chmod, also for the folders above it, or choose another path."
_SPACE: Final = "Free some space, or choose another place."
_REMEDIES: Final = MappingProxyType(
    {
        errno.EACCES: _PERMISSION,
        errno.EPERM: _PERMISSION,
        errno.EROFS: "Choose a place that can be written.",
        errno.ENAMETOOLONG: "Shorten it: a name has at most 255 bytes on most file systems.",
        errno.ENOSPC: _SPACE,
        errno.EDQUOT: _SPACE,
        errno.EFBIG: "Raise the limit of this process (ulimit -f), or choose another place.",
        errno.EMFILE: "Raise the limit of this process: ulimit -n 4096",
        errno.ENFILE: "Close other programs.",
        errno.EEXIST: "A file, or a link to nothing, has this name: remove it, or choose another.",
        errno.ENOTDIR: "A part of this path is a file: choose another.",
        errno.ELOOP: "Its links lead in a circle: correct them.",
        errno.EIO: "The disk or the network failed: try again, or from another place.",
        errno.ESTALE: "The network file system lost it: mount it again.",
    }
)
# First bytes of placeholders for files.
_STAND_INS: Final = (
    (
        re.compile(rb"version https://git-lfs"),
        "is a pointer of Git LFS, not the file itself\nFetch the file: git lfs pull",
    ),
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head)\b", re.IGNORECASE),
        "is a web page, saved instead of the file\nDownload it from the link to the file itself.",
    ),
    (
        re.compile(rb"\x1f\x8b|BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!\x1a"),
        "is a packed file (gzip, bzip2, xz, zstd, 7z or RAR)\nUnpack it first.",
    ),
)
_HEAD_BYTES: Final = 256
_RESOURCES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EIO)


def failure(error: BaseException, doing: str) -> CsakitError | None:
    """Return the error for a system failure while ``doing``, as "read x.png"; else None."""
    if isinstance(error, CsakitError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    if stated := _OS_ERROR.search(str(error)):
        number = int(stated[1] or stated[2])
    if isinstance(error, MemoryError) or number == errno.ENOMEM or _NO_MEMORY.search(str(error)):
        return ResourceError(
            f"cannot {doing}: there is too little memory\n"
            "Close other programs, or raise the limit (ulimit -v; of a container, its memory)."
        )
    if isinstance(error, UnicodeEncodeError):
        return ContractError(
            f"cannot {doing}: its name is not text in this system's encoding\nRename it."
        )
    if number is None:
        return None
    text = f"cannot {doing}: {os.strerror(number)}"
    if remedy := _REMEDIES.get(number):
        text += f"\n{remedy}"
    return ResourceError(text) if number in _RESOURCES else ContractError(text)


def stand_in(path: object, head: bytes | None = None) -> ContractError | None:
    """Return the error for a placeholder of a file; None if it is none. ``head``: first bytes."""
    if head is None and isinstance(path, Path):
        with contextlib.suppress(OSError), path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    found = (text for sign, text in _STAND_INS if sign.match(head or b""))
    return next((ContractError(f"{path} {text}") for text in found), None)


@contextlib.contextmanager
def failures_as_errors(doing: str) -> Iterator[None]:
    """Turn failures of the machine in a block into errors of csakit; see ``failure``."""
    try:
        yield
    except OSError as error:
        raise failure(error, doing) or error from error


def is_file(path: Path) -> bool:
    """Report whether a path is a file; ContractError where the system does not answer."""
    return _ask(path, Path.is_file)


def named(path: Path) -> str:
    """Return a path that is no file, with the reason if it is known."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return f"{path}, a link that leads in a circle"
        with contextlib.suppress(OSError):
            return f"{path}, a link to {path.readlink()}, which does not exist"
        return str(path)
    except ValueError:  # a zero byte
        return str(path)
    return f"{path}, {'a folder' if is_folder(path) else 'a pipe or a device'}"


def is_folder(path: Path) -> bool:
    """Report whether a path is a folder; ContractError where the system does not answer."""
    return _ask(path, Path.is_dir)


def is_same(path: Path, other: Path) -> bool:
    """Report whether two existing paths are one file or folder."""
    return _ask(path, lambda one: one.samefile(other))


def _ask(path: Path, question: Callable[[Path], bool]) -> bool:
    try:
        return question(path)
    except OSError as error:
        raise failure(error, f"open {error.filename or path}") or error from error
