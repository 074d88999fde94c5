"""One call of libcsakit with tensors of torch: layouts, alignment, pointers, workspace.

Letters: B images, C channels, H W sides of the feature map, N = H * W positions. Nothing here
depends on the device: what is passed on are addresses. ``csakit.train.attention.cuda_kernels``
decides when to call.
"""

import dataclasses
from types import MappingProxyType
from typing import Final, cast

import torch
from torch import Tensor

from ...plugins.abi import AttentionDesc, Direction, Dtype, Layout, attention_desc
from ...plugins.library import Library
from ...plugins.spec import HOLE_THRESHOLD, Similarity

DTYPES: Final = MappingProxyType(
    {
        torch.float32: Dtype.FLOAT32,
        torch.float16: Dtype.FLOAT16,
        torch.bfloat16: Dtype.BFLOAT16,
    }
)
_ALIGNMENT_BYTES: Final = 16  # of all pointers; the kernels load so much at a time


@dataclasses.dataclass
class Call:
    """One call of the library, with tensors made ready for it.

    Args:
        library: to call.
        features: (B, C, H, W), not empty, of a type and size that the kernels take.
        hole: (B, 1, H, W), any type and layout.
        similarity: "projection" or "cosine".
        stream: to enqueue on, of the current device; 0 for the default one.
    """

    library: Library
    features: Tensor
    hole: Tensor
    similarity: str
    stream: int

    def __post_init__(self) -> None:
        """Lay out and align what is given, copying only what is not so already."""
        self.layout = layout_of(self.features) or Layout.NCHW
        self.format = torch.channels_last if self.layout else torch.contiguous_format
        self.features = self._ready(self.features)
        if self.hole.dtype not in DTYPES:  # compared in its own type: float64 has more digits
            self.hole = (self.hole > HOLE_THRESHOLD).float()
        self.hole = _aligned(self.hole.contiguous())

    @property
    def desc(self) -> AttentionDesc:
        """Describe the tensors to the library."""
        batch, channels, height, width = self.features.shape
        return attention_desc(
            (batch, channels, height, width),
            dtype=DTYPES[self.features.dtype],
            hole_dtype=DTYPES[self.hole.dtype],
            similarity=cast(Similarity, self.similarity),  # the operator has checked it
            layout=self.layout,
        )

    def fill(self, matches: Tensor | None = None) -> Tensor:
        """Give the filled features, (B, C, H, W), laid out as the features.

        Args:
            matches: (B, N) int32, contiguous, to write the matches to; None for no such output.

        Returns:
            The output.
        """
        output = torch.empty_like(self.features, memory_format=self.format)
        desc, workspace = self.desc, self._workspace(Direction.FORWARD)
        self.library.forward(
            desc,
            features=self.features.data_ptr(),
            hole=self.hole.data_ptr(),
            output=output.data_ptr(),
            matches=None if matches is None else matches.data_ptr(),
            workspace=workspace.data_ptr(),
            workspace_bytes=workspace.numel(),
            stream=self.stream,
        )
        return output

    def match_positions(self) -> Tensor:
        """Give the match of every position, (B, N) int64."""
        shape = (self.hole.shape[0], self.hole.shape[2] * self.hole.shape[3])
        matches = torch.empty(shape, dtype=torch.int32, device=self.features.device)
        self.fill(matches)
        return matches.long()

    def input_gradient(self, output_gradient: Tensor) -> Tensor:
        """Give dX for dY, (B, C, H, W), laid out as the features.

        Args:
            output_gradient: dY, of the type of the features, any layout.

        Returns:
            The gradient.
        """
        dy = self._ready(output_gradient)
        gradient = torch.empty_like(self.features, memory_format=self.format)
        desc, workspace = self.desc, self._workspace(Direction.BACKWARD)
        self.library.backward(
            desc,
            features=self.features.data_ptr(),
            hole=self.hole.data_ptr(),
            output_gradient=dy.data_ptr(),
            input_gradient=gradient.data_ptr(),
            workspace=workspace.data_ptr(),
            workspace_bytes=workspace.numel(),
            stream=self.stream,
        )
        return gradient

    def _ready(self, tensor: Tensor) -> Tensor:
        """Lay out and align a tensor as the library needs it."""
        return _aligned(tensor.contiguous(memory_format=self.format))

    def _workspace(self, direction: Direction) -> Tensor:
        size = self.library.workspace_bytes(self.desc, direction)
        return torch.empty(max(size, 1), dtype=torch.uint8, device=self.features.device)


def layout_of(features: Tensor) -> Layout | None:
    """Name the layout in which features need no copy, without reading their data.

    Args:
        features: (B, C, H, W).

    Returns:
        The layout, NCHW if both need none; None if each needs one.
    """
    if features.is_contiguous():
        return Layout.NCHW
    return Layout.NHWC if features.is_contiguous(memory_format=torch.channels_last) else None


def _aligned(tensor: Tensor) -> Tensor:
    """Copy a tensor that begins amid a line, as a slice of a larger one may."""
    return tensor.clone() if tensor.data_ptr() % _ALIGNMENT_BYTES else tensor
