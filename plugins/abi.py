"""The C interface of libcsakit in ctypes; a test compares it with ``include/csakit.h``.

Letters: B images, C channels, H W sides of the feature map, N = H * W positions.
"""

import ctypes
import enum
from types import MappingProxyType
from typing import Final

from .spec import SIMILARITIES, Similarity

ABI_VERSION: Final = 2
MAX_CHANNELS: Final = 1024
MAX_POSITIONS: Final = 16384
MAX_BATCH: Final = 65535


class Status(enum.IntEnum):
    """Status codes that the library's functions return."""

    OK = 0
    INVALID_ARGUMENT = 1
    UNSUPPORTED_SIZE = 2
    WORKSPACE_TOO_SMALL = 3
    NO_KERNEL_FOR_DEVICE = 4
    CUDA_ERROR = 5


class Dtype(enum.IntEnum):
    """Element types of tensors."""

    FLOAT32 = 0
    FLOAT16 = 1
    BFLOAT16 = 2


class Chain(enum.IntEnum):
    """Algorithms for the chain of holes; both return the same bits."""

    AUTO = 0
    SEQUENTIAL = 1


class Layout(enum.IntEnum):
    """Memory layout of features: (B, C, H, W) or (B, H, W, C)."""

    NCHW = 0
    NHWC = 1


class Direction(enum.IntEnum):
    """The function that a workspace is for."""

    FORWARD = 0
    BACKWARD = 1


class AttentionDesc(ctypes.Structure):
    """Shape, types and layout of one call; ``attention_desc`` creates it."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            *("struct_bytes", "batch", "channels", "height", "width"),
            *("dtype", "hole_dtype", "similarity", "layout", "chain"),
        )
    ]


def attention_desc(
    shape: tuple[int, int, int, int],
    *,
    dtype: Dtype,
    hole_dtype: Dtype,
    similarity: Similarity,
    layout: Layout = Layout.NCHW,
    chain: Chain = Chain.AUTO,
) -> AttentionDesc:
    """Return the description of one call.

    ``shape`` is (B, C, H, W) for either layout; the library checks it. ``dtype`` and ``layout`` are
    of features, output and gradients; a sequential ``chain`` is only for comparison.
    """
    return AttentionDesc(
        *(ctypes.sizeof(AttentionDesc), *shape, dtype, hole_dtype),
        *(SIMILARITIES.index(similarity), layout, chain),
    )


_desc: Final = ctypes.POINTER(AttentionDesc)
_pointer: Final = ctypes.c_void_p  # device memory, and the stream
_status: Final = ctypes.c_int32

_run: Final = (_status, (_desc, *[_pointer] * 5, ctypes.c_size_t, _pointer))
_size: Final = ctypes.POINTER(ctypes.c_size_t)

# name -> (result, arguments); every function needs one: by default ctypes truncates pointers to
# 32 bits
PROTOTYPES: Final = MappingProxyType(
    {
        "csakit_abi_version": (ctypes.c_int32, ()),
        "csakit_build_info": (ctypes.c_char_p, ()),
        "csakit_status_string": (ctypes.c_char_p, (ctypes.c_int32,)),
        "csakit_last_error": (ctypes.c_char_p, ()),
        "csakit_attention_workspace_size": (_status, (_desc, ctypes.c_int32, _size)),
        "csakit_attention_forward": _run,
        "csakit_attention_backward": _run,
    }
)


def declare(library: ctypes.CDLL) -> None:
    """Declare the functions of an opened library; AttributeError if one is missing."""
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
