"""The sources of the native libraries: which files make which library, and their hash.

One list, ``csrc/sources.txt``, serves Python and CMake.
"""

import hashlib
from pathlib import Path
from typing import Final, Literal, get_args

# resolve(): a strict editable install runs from a tree of links that holds no sources
PACKAGE: Final = Path(__file__).resolve().parent
CSRC: Final = PACKAGE / "csrc"
INCLUDE: Final = PACKAGE / "include"
LIST: Final = CSRC / "sources.txt"

# What a file belongs to: both libraries of the kernels, the two TensorRT libraries, or one.
Group = Literal["kernels", "tensorrt", "trt", "autoreg"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)

_SUFFIXES: Final = {".cu", ".cuh", ".h", ".cpp", ".map", ".txt"}


def source_files(group: Group, csrc: Path | None = None) -> list[Path]:
    """Name the files of one group, in the order of the list.

    Args:
        group: which.
        csrc: folder of the sources; this package's by default.

    Returns:
        Paths to ``.cu`` and ``.cpp`` files.
    """
    folder = CSRC if csrc is None else csrc
    rows = [line.split() for line in (folder / LIST.name).read_text().splitlines()]
    return [folder / row[1] for row in rows if row and row[0] == group]


def source_hash(csrc: Path | None = None) -> str:
    """Hash all that decides what the compiler sees; CMakeLists.txt does it in the same way.

    Args:
        csrc: folder of the sources, with the folder ``include`` beside it; this package's by
            default.

    Returns:
        64 hexadecimal digits: the SHA-256 of the lines "<SHA-256 of the file>  <name>", in
        the order of the names, each relative to the folder that holds ``csrc``.
    """
    folder = CSRC if csrc is None else csrc
    root = folder.parent
    names = sorted(
        path.relative_to(root).as_posix()
        for top in (folder, root / INCLUDE.name)
        for path in top.rglob("*")
        if path.suffix in _SUFFIXES
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(
            f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n".encode()
        )
    return digest.hexdigest()
