"""Call libcsakit, the CUDA kernels, from Python. No torch: pointers and streams are integers.

library = load()
desc = attention_desc((1, 512, 32, 32), dtype=Dtype.FLOAT16, ...)
size = library.workspace_bytes(desc, Direction.FORWARD)
library.forward(desc, features=..., hole=..., output=..., workspace=..., ...)
"""

import ctypes
import functools
import json
from pathlib import Path
from typing import Final

from .abi import ABI_VERSION, AttentionDesc, Direction, Status, declare
from .errors import ContractError, LibraryError
from .locations import BUILD_COMMAND, LIBRARY_VARIABLE, Kind, file_name, search_places, stale_builds

_CALLER: Final = {Status.INVALID_ARGUMENT, Status.UNSUPPORTED_SIZE, Status.WORKSPACE_TOO_SMALL}


class Library:
    """The opened library.

    All pointers are addresses of device memory, aligned to 16 bytes, owned by the caller; the
    stream is a ``cudaStream_t``, 0 for the default one. Work is enqueued on the current device, and
    calls return before it is done.

    Raises:
        LibraryError: the file cannot be opened, or has another ABI version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._functions = _open(path)

    def build_info(self) -> dict[str, str]:
        """Return "version", "source_hash", "compiler", and "architectures", joined by commas."""
        info: dict[str, str] = json.loads(self._functions.csakit_build_info())
        return info

    def workspace_bytes(self, desc: AttentionDesc, direction: Direction) -> int:
        """Return the workspace size in bytes; ContractError if a size is out of range."""
        size = ctypes.c_size_t()
        function = self._functions.csakit_attention_workspace_size
        self._check(function(ctypes.byref(desc), direction, ctypes.byref(size)))
        return size.value

    def forward(
        self,
        desc: AttentionDesc,
        *,
        features: int,
        hole: int,
        output: int,
        workspace: int,
        workspace_bytes: int,
        stream: int,
        matches: int | None = None,
    ) -> None:
        """Fill the hole positions of each feature map.

        ``features`` and ``output`` are (B, C, H, W) or (B, H, W, C) and may not overlap; ``hole``
        is (B, 1, H, W), above 0.5 where missing. ``workspace_bytes`` is at least what the method of
        that name returns. ``matches``, (B, N) int32, receives the position each one is copied from.

        Raises:
            ContractError: an argument breaks the contract; nothing was enqueued.
            LibraryError: no code for this GPU, or CUDA failed.
        """
        self._check(
            self._functions.csakit_attention_forward(
                *(ctypes.byref(desc), features, hole, output, matches),
                *(workspace, workspace_bytes, stream),
            )
        )

    def backward(
        self,
        desc: AttentionDesc,
        *,
        features: int,
        hole: int,
        output_gradient: int,
        input_gradient: int,
        workspace: int,
        workspace_bytes: int,
        stream: int,
    ) -> None:
        """Compute dX = dY + A^T dY, the attention A held constant.

        ``output_gradient`` is dY, ``input_gradient`` dX, both as the features; dX may not overlap
        an input. The rest, and errors, as in ``forward``.
        """
        self._check(
            self._functions.csakit_attention_backward(
                *(ctypes.byref(desc), features, hole, output_gradient, input_gradient),
                *(workspace, workspace_bytes, stream),
            )
        )

    def _check(self, status: int) -> None:
        """Raise the library's message for a status that is not OK."""
        if status == Status.OK:
            return
        word = (self._functions.csakit_status_string(status) or b"").decode()
        why = (self._functions.csakit_last_error() or b"").decode() or "no reason given"
        if status in _CALLER:
            raise ContractError(f"{word}: {why}")
        if status == Status.NO_KERNEL_FOR_DEVICE:
            held = self.build_info()["architectures"]
            raise LibraryError(
                f"{word}: {why} ({self.path} holds code for: {held})\n"
                f"Build it for the GPU of this machine: {BUILD_COMMAND} --arch native"
            )
        raise LibraryError(f"{word}: {why}")


@functools.cache
def load(known: Path | None = None) -> Library:
    """Open libcsakit, cached for each argument; raise LibraryError if no library is compatible."""
    return Library(find_library("csakit", known))


def find_library(kind: Kind = "csakit", known: Path | None = None) -> Path:
    """Return the first library of a kind that exists, in the order of ``locations``.

    Raises:
        LibraryError: no library exists, or the environment variable does not name one.
    """
    places = search_places(kind, known)
    if LIBRARY_VARIABLE in places[0].why and not places[0].found:
        raise LibraryError(
            f"{LIBRARY_VARIABLE} must name {file_name(kind)}; there is no {places[0].path}\n"
            f"Correct the variable, or unset it and run: {_command(kind)}"
        )
    for place in places:
        if place.found:
            return place.path
    stale = stale_builds(kind)
    cause = f"{len(stale)} in the cache are of other sources" if stale else "it is not built"
    searched = "\n".join(f"  {place.path} ({place.why})" for place in places)
    raise LibraryError(
        f"{file_name(kind)} is missing: {cause}; searched\n{searched}\n"
        f"Build it with: {_command(kind)}"
    )


def _command(kind: Kind) -> str:
    """Return the command that builds a library."""
    return BUILD_COMMAND if kind == "csakit" else f"{BUILD_COMMAND} --tensorrt-include DIR"


def _open(path: Path) -> ctypes.CDLL:
    """Open the file and declare its functions, after comparing the ABI version."""
    try:
        functions = ctypes.CDLL(str(path.absolute()))  # a bare name would search elsewhere
    except OSError as error:
        raise LibraryError(
            f"cannot open {path}: {error}\nBuild it again with: {BUILD_COMMAND}"
        ) from error
    try:
        version = functions.csakit_abi_version()
        if version == ABI_VERSION:
            declare(functions)
    except AttributeError as error:
        raise LibraryError(
            f"{path} is not libcsakit: {error}\nName another file, or build one: {BUILD_COMMAND}"
        ) from error
    if version != ABI_VERSION:
        raise LibraryError(
            f"the ABI version of libcsakit must be {ABI_VERSION}; {path} has {version}\n"
            f"Build it again with: {BUILD_COMMAND}"
        )
    return functions
