"""Read the header of a checkpoint, without its weights and without torch."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from .failures import failure, stand_in

_KEY: Final = "csakit"  # the metadata entry that csakit writes; JSON
_MAX_BYTES: Final = 10 << 20  # of a header; those of the networks have 30 KB


@dataclasses.dataclass(frozen=True)
class CheckpointHeader:
    """The header of a checkpoint."""

    config: Mapping[str, Any]  # as csakit wrote it; empty if another program did
    parameters: Mapping[str, int]  # stored values by type, such as "F32"


def read_checkpoint_header(path: Path) -> CheckpointHeader:
    """Read the header of a ``.safetensors`` file; ContractError unless it is a whole one."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= _MAX_BYTES:
                raise _bad(path, f"a header of {size} bytes")
            header = json.loads(file.read(size))
        end = path.stat().st_size - 8 - size
        metadata = header.pop("__metadata__", {})
        config = json.loads(metadata.get(_KEY, "{}"))
        return CheckpointHeader(config if isinstance(config, dict) else {}, _count(header, end))
    except OSError as error:
        raise failure(error, f"read {path}") or error from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, ContractError):
            raise
        raise _bad(path, f"a header that is no table of tensors ({error})") from error


def _count(tensors: Mapping[str, Any], end: int) -> dict[str, int]:
    """Return the number of values by type; refuse a file that ends before its tensors do."""
    parameters: Counter[str] = Counter()
    for tensor in tensors.values():
        parameters[str(tensor["dtype"])] += math.prod(int(side) for side in tensor["shape"])
        if int(tensor["data_offsets"][1]) > end:
            raise ValueError(f"it needs {tensor['data_offsets'][1]} bytes of data, has {end}")
    return dict(parameters)


def _bad(path: Path, what: str) -> ContractError:
    text = f"{path} must be a whole safetensors file; it has {what}"
    return stand_in(path) or ContractError(text)
