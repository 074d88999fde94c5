"""Read one file out of a Qt resource file (``.rcc``), in which some games keep their pictures.

Big-endian: a header with the offsets of three parts, then a tree of entries, names in UTF-16, and
contents with their lengths before them. Source: Qt's ``rcc.cpp``, versions 1 to 3 of the format.
"""

import struct
import zlib
from typing import Final

from ...plugins.errors import ContractError

_COMPRESSED: Final = 1
_FOLDER: Final = 2
_ZSTANDARD: Final = 4


def read_resource(data: bytes, path: str) -> bytes | None:
    """Return the content of one file, by its path without a leading "/"; None if there is none.

    Raises:
        ContractError: it is no resource file, or compresses the file in another way than by zlib.
        struct.error: it ends early.
        zlib.error: the content is damaged.
    """
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        raise ContractError(f"a resource file must start with qres; got {magic!r}")
    size = 14 if version < 2 else 22  # from version 2 on with the time of the last change
    entry, flags = tree, _FOLDER
    for part in path.split("/"):
        count, first = struct.unpack_from(">2I", data, entry + 6) if flags & _FOLDER else (0, 0)
        children = (tree + child * size for child in range(first, first + count))
        found = next((child for child in children if _name(data, child, names) == part), None)
        if found is None:
            return None
        entry = found
        (flags,) = struct.unpack_from(">H", data, entry + 4)
    if flags & _FOLDER:
        return None
    if flags & _ZSTANDARD:
        raise ContractError(f"{path} must be plain or compressed by zlib; it is by Zstandard")
    (offset,) = struct.unpack_from(">I", data, entry + 10)
    (length,) = struct.unpack_from(">I", data, contents + offset)
    start = contents + offset + 4
    content = data[start : start + length]
    return zlib.decompress(content[4:]) if flags & _COMPRESSED else content


def _name(data: bytes, entry: int, names: int) -> str:
    (offset,) = struct.unpack_from(">I", data, entry)
    (length,) = struct.unpack_from(">H", data, names + offset)
    start = names + offset + 6  # a hash lies between
    return data[start : start + 2 * length].decode("utf-16-be", "replace")
