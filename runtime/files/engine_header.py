"""The header of an engine, read without TensorRT, to explain engines without a manifest.

TensorRT for RTX 1.7 begins its plans with "vtrt", has their length at byte 16 and its version at
byte 24: observed, not documented. TensorRT's own plans cannot be distinguished from other files.
"""

import dataclasses
import struct
from pathlib import Path
from typing import Final

_MAGIC: Final = b"vtrt"
_LENGTH_AT: Final = 16
_VERSION_AT: Final = 24
_HEADER_BYTES: Final = 64  # Runtime.engine_header_size


@dataclasses.dataclass(frozen=True)
class PlanHeader:
    """Version of TensorRT for RTX, and the bytes that the whole file should have."""

    version: str  # of TensorRT for RTX
    bytes: int  # size of a complete file


def read_plan_header(path: Path) -> PlanHeader | None:
    """Read the header of an engine; None if it is not of TensorRT for RTX, or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError:
        return None
    if len(head) < _HEADER_BYTES or not head.startswith(_MAGIC):
        return None
    (length,) = struct.unpack_from("<Q", head, _LENGTH_AT)
    version = ".".join(str(number) for number in head[_VERSION_AT : _VERSION_AT + 4])
    return PlanHeader(version, length)
