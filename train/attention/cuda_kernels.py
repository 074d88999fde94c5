"""Coherent semantic attention on CUDA devices, by the kernels of libcsakit.

Letters: B images, C channels, H W sides of the feature map, N = H * W positions.
``csakit.train.attention.chunked`` replaces them, with one warning, for unsupported tensors.

No call waits for the GPU, so all can be captured in a CUDA graph. The workspace comes from torch's
caching allocator, which reuses it only for later work on the same stream.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Callable
from typing import Final, cast

import torch
from torch import Tensor

from ...plugins import abi
from ...plugins.errors import LibraryError
from ...plugins.library import Library, load
from ...plugins.locations import LIBRARY_VARIABLE
from ...plugins.spec import HOLE_THRESHOLD, Similarity
from . import chunked

_log = logging.getLogger(__name__)


def fill(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Fill the holes of features on a CUDA device; the channels-last layout is kept."""
    library = _library_for(features)
    if library is None:
        filled = chunked.fill(features, hole, similarity)
        return filled.contiguous(memory_format=result_format(features))
    with torch.cuda.device(features.device):
        return KernelCall(library, features, hole, similarity, stream=_stream()).fill()


def input_gradient(
    output_gradient: Tensor, features: Tensor, hole: Tensor, similarity: str
) -> Tensor:
    """Return dX = dY + A^T dY, (B, C, H, W), with the layout of the features."""
    library = _library_for(features, output_gradient)
    if library is None:
        gradient = chunked.input_gradient(output_gradient, features, hole, similarity)
        return gradient.contiguous(memory_format=result_format(features))
    with torch.cuda.device(features.device):
        call = KernelCall(library, features, hole, similarity, stream=_stream())
        return call.input_gradient(output_gradient)


def match_positions(features: Tensor, hole: Tensor, similarity: str) -> Tensor:
    """Return the match of each position, (B, N) int64; known positions match themselves."""
    library = _library_for(features)
    if library is None:
        return chunked.match_positions(features, hole, similarity)
    with torch.cuda.device(features.device):
        return KernelCall(library, features, hole, similarity, stream=_stream()).match_positions()


def result_format(features: Tensor) -> torch.memory_format:
    """Return the memory format of the operator's result, which tracing needs without any data."""
    if features.is_cuda and layout_of(features) is abi.Layout.NHWC:
        return torch.channels_last
    return torch.contiguous_format


def unsupported_reason(features: Tensor, output_gradient: Tensor | None = None) -> str | None:
    """Return why the kernels do not support these tensors; None if they do."""
    batch, channels, height, width = features.shape
    if features.dtype not in DTYPES:
        return f"they compute float32, float16 and bfloat16, not {features.dtype}"
    if output_gradient is not None and output_gradient.dtype != features.dtype:
        return f"the gradient is {output_gradient.dtype}, the features are {features.dtype}"
    for name, size, limit in (
        ("B", batch, abi.MAX_BATCH),
        ("C", channels, abi.MAX_CHANNELS),
        ("H * W", height * width, abi.MAX_POSITIONS),
    ):
        if size > limit:
            return f"{name} may be at most {limit}, not {size}"
    return None


def _stream() -> int:
    """Return the handle of the current stream of the current device."""
    return int(torch.cuda.current_stream().cuda_stream)


def _library_for(features: Tensor, output_gradient: Tensor | None = None) -> Library | None:
    """Return the library if it supports these tensors; None if torch must be used."""
    if features.numel() == 0:
        return None
    reason = unsupported_reason(features, output_gradient)
    if reason is not None:
        _warn_once(f"libcsakit does not take these tensors: {reason}")
        return None
    return _library()


@functools.cache
def _library() -> Library | None:
    """Load libcsakit once per process; warn and return None if it is not found."""
    try:
        return load()
    except LibraryError as error:
        if os.environ.get(LIBRARY_VARIABLE):  # named explicitly: no fallback
            raise
        _warn_once(str(error))
        return None


@functools.cache
def _warn_once(reason: str) -> None:
    """Warn that torch computes the attention, once for each reason."""
    _log.warning("coherent semantic attention runs in torch, slower: %s", reason)


DTYPES: Final = {
    torch.float32: abi.Dtype.FLOAT32,
    torch.float16: abi.Dtype.FLOAT16,
    torch.bfloat16: abi.Dtype.BFLOAT16,
}
_ALIGNMENT_BYTES: Final = 16  # of all pointers; the kernels load 16 bytes at a time


@dataclasses.dataclass
class KernelCall:
    """A library call on ``stream``, with its tensors laid out and aligned."""

    library: Library
    features: Tensor
    hole: Tensor
    similarity: str
    stream: int

    def __post_init__(self) -> None:
        self.layout = layout_of(self.features) or abi.Layout.NCHW
        self.format = torch.channels_last if self.layout else torch.contiguous_format
        self.features = self._ready(self.features)
        if self.hole.dtype not in DTYPES:  # compared in its own type: float64 has more digits
            self.hole = (self.hole > HOLE_THRESHOLD).float()
        self.hole = _aligned(self.hole.contiguous())

    @property
    def desc(self) -> abi.AttentionDesc:
        """Return the descriptor of the tensors for the library."""
        batch, channels, height, width = self.features.shape
        return abi.attention_desc(
            (batch, channels, height, width),
            dtype=DTYPES[self.features.dtype],
            hole_dtype=DTYPES[self.hole.dtype],
            similarity=cast(Similarity, self.similarity),  # the operator has checked it
            layout=self.layout,
        )

    def fill(self, matches: Tensor | None = None) -> Tensor:
        """Return the filled features, (B, C, H, W); write (B, N) int32 ``matches`` if given."""
        output = torch.empty_like(self.features, memory_format=self.format)
        self._run(self.library.forward, abi.Direction.FORWARD, output=output, matches=matches)
        return output

    def match_positions(self) -> Tensor:
        """Return the match of every position, (B, N) int64."""
        shape = (self.hole.shape[0], self.hole.shape[2] * self.hole.shape[3])
        matches = torch.empty(shape, dtype=torch.int32, device=self.features.device)
        self.fill(matches)
        return matches.long()

    def input_gradient(self, output_gradient: Tensor) -> Tensor:
        """Return dX for dY, (B, C, H, W), with the layout of the features."""
        dy = self._ready(output_gradient)
        dx = torch.empty_like(self.features, memory_format=self.format)
        function, direction = self.library.backward, abi.Direction.BACKWARD
        self._run(function, direction, output_gradient=dy, input_gradient=dx)
        return dx

    def _run(
        self, function: Callable[..., None], direction: abi.Direction, **tensors: Tensor | None
    ) -> None:
        """Call the library with a workspace of the direction's size."""
        desc = self.desc
        size = self.library.workspace_bytes(desc, direction)
        workspace = torch.empty(max(size, 1), dtype=torch.uint8, device=self.features.device)
        function(
            desc,
            features=self.features.data_ptr(),
            hole=self.hole.data_ptr(),
            workspace=workspace.data_ptr(),
            workspace_bytes=workspace.numel(),
            stream=self.stream,
            **{name: None if t is None else t.data_ptr() for name, t in tensors.items()},
        )

    def _ready(self, tensor: Tensor) -> Tensor:
        """Lay out and align a tensor as the library needs it."""
        return _aligned(tensor.contiguous(memory_format=self.format))


def layout_of(features: Tensor) -> abi.Layout | None:
    """Return the layout in which (B, C, H, W) features need no copy, NCHW before NHWC, or None."""
    if features.is_contiguous():
        return abi.Layout.NCHW
    return abi.Layout.NHWC if features.is_contiguous(memory_format=torch.channels_last) else None


def _aligned(tensor: Tensor) -> Tensor:
    """Return a tensor, copied if its pointer is not aligned, as a slice's may be."""
    return tensor.clone() if tensor.data_ptr() % _ALIGNMENT_BYTES else tensor
