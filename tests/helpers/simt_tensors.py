"""The kernels on a CPU for tensors of torch: libcsakit as the operator calls it, without a GPU."""

import ctypes
import dataclasses
from typing import Any

from csakit.plugins.abi import AttentionDesc, Layout
from csakit.plugins.library import Library

from .simt_build import simt_library

_BYTES = (4, 2, 2)  # of a number of each csakit_dtype


@dataclasses.dataclass
class LibraryCall:
    """What one call was given."""

    layout: Layout
    arguments: dict[str, int | None]


class TensorLibrary(Library):
    """libcsakit on a fake GPU that takes the memory of any CPU tensor for its own."""

    def __init__(self) -> None:
        path = simt_library(watched=False)
        super().__init__(path)
        self._player = ctypes.CDLL(str(path))
        self._player.simt_register.argtypes = [
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
        ]
        self.calls: list[LibraryCall] = []

    def forward(self, desc: AttentionDesc, **arguments: Any) -> None:  # noqa: ANN401
        self._note(desc, arguments)
        super().forward(desc, **arguments)

    def backward(self, desc: AttentionDesc, **arguments: Any) -> None:  # noqa: ANN401
        self._note(desc, arguments)
        super().backward(desc, **arguments)

    def _note(self, desc: AttentionDesc, arguments: dict[str, int | None]) -> None:
        """Remember the call, and make the memory known for as long as it lasts."""
        self.calls.append(LibraryCall(Layout(desc.layout), dict(arguments)))
        positions = desc.batch * desc.height * desc.width
        size = positions * desc.channels * _BYTES[desc.dtype]
        sizes = {
            **dict.fromkeys(("features", "output", "output_gradient", "input_gradient"), size),
            "hole": positions * _BYTES[desc.hole_dtype],
            "matches": positions * 4,
            "workspace": arguments["workspace_bytes"] or 0,
        }
        self._player.simt_forget_memory()
        for name, address in arguments.items():
            if name in sizes and address is not None:
                self._player.simt_register(address, sizes[name], 0, 0)
