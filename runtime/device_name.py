"""What people write for a processor: "cpu", "cuda", "cuda:1"."""

import re
from typing import Literal

from ..plugins.errors import ContractError

DeviceKind = Literal["cpu", "cuda"]


def parse_device(text: str) -> tuple[DeviceKind, int]:
    """Read the name of a processor.

    Args:
        text: "cpu", "cuda" or "cuda:N".

    Returns:
        Its kind, and the number of the GPU; 0 for the CPU.

    Raises:
        ContractError: it is neither.
    """
    if text == "cpu":
        return "cpu", 0
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", text)
    if match is None:
        raise ContractError(f"device must be cpu, cuda or cuda:N; got {text!r}")
    return "cuda", int(match[1] or 0)
