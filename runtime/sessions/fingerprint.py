"""Recognise a model's files without reading them whole: they may hold half a gigabyte.

A file is the same when its size, the second of its last change, and a SHA-256 over samples of
its content are the same. Seconds, because archives and container images keep no more. The
samples are both ends and blocks spread evenly between them. The file of a model ends with its
metadata, where the SHA-256 of its checkpoint stands; the name of a weights file holds a part of
the weights' own hash. So models of other weights differ in the samples even where someone set
their times alike.
"""

import hashlib
import mmap
import os
import re
from pathlib import Path
from typing import Final

Fingerprint = dict[str, str | int]  # as JSON stores it: bytes, modified, sha256

_END_BYTES: Final = 1 << 16  # the metadata of the largest models so far begin 30 kB from the end
_BLOCK_BYTES: Final = 1 << 12  # a page: what is read anyway
_BLOCKS: Final = 64
_WHOLE_BYTES: Final = 1 << 20  # smaller files are read whole, in a millisecond

# An entry of a tensor's ``external_data`` as protobuf writes it: the key "location", then the
# length of a file name.
_LOCATION: Final = re.compile(rb"\n\x08location\x12([\x80-\xff]?[\x01-\x7f])")


def fingerprint(path: Path) -> Fingerprint:
    """Recognise a file; takes about a millisecond for any size.

    Args:
        path: of the file.

    Returns:
        Size, time and sampled hash.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        digest = hashlib.sha256()
        for start, length in _samples(stat.st_size):
            file.seek(start)
            digest.update(file.read(length))
    return {
        "bytes": stat.st_size,
        "modified": int(stat.st_mtime),
        "sha256": digest.hexdigest(),
    }


def external_files(model: Path) -> list[Path]:
    """Find the files that a model keeps weights in.

    Args:
        model: an ONNX file.

    Returns:
        Existing files, in the order of names. Bytes that only look like a file name name no
        existing file.

    Raises:
        OSError: the model cannot be read.
    """
    names = set()
    with (
        model.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for match in _LOCATION.finditer(content):
            name = content[match.end() : match.end() + _length(match[1])]
            names.add(os.fsdecode(name))
    paths = (model.parent / name for name in sorted(names) if "\0" not in name)
    return [path for path in paths if path.is_file()]


def _samples(size: int) -> list[tuple[int, int]]:
    """Choose what is read of a file, as (start, length)."""
    if size <= _WHOLE_BYTES:
        return [(0, size)]
    step = (size - _BLOCK_BYTES) // (_BLOCKS - 1)
    blocks = [(index * step, _BLOCK_BYTES) for index in range(_BLOCKS)]
    return [(0, _END_BYTES), *blocks, (size - _END_BYTES, _END_BYTES)]


def _length(varint: bytes) -> int:
    """Read a length of one or two bytes; no file system has longer names."""
    return sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(varint))
