"""Call the kernels with NumPy arrays, whatever the device, the type and the layout."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from csakit.plugins.abi import AttentionDesc, Chain, Direction, Dtype, Layout, attention_desc
from csakit.plugins.spec import Similarity

from .features import Floats, feature_like, oracle_matches, random_hole
from .kernel_device import Buffer, Device

_STORED = {Dtype.FLOAT32: np.float32, Dtype.FLOAT16: np.float16, Dtype.BFLOAT16: np.uint16}
# Half a unit in the last place: what rounding to the type may change, relatively.
ROUNDING = {Dtype.FLOAT32: 2.0**-24, Dtype.FLOAT16: 2.0**-11, Dtype.BFLOAT16: 2.0**-8}
# Of the largest value: float32 sums of C products, a chain of M blends; 3e-7 is what was seen.
# The kernels promise 1e-4; a wrong lane, bank or chunk changes more than 1e-3.
FLOAT32_ERROR = 5e-6


def error_limit(dtype: Dtype) -> float:
    """Return what sums in float32 and one rounding may change, as a share of the largest value."""
    return FLOAT32_ERROR + (0.0 if dtype == Dtype.FLOAT32 else 1.01 * ROUNDING[dtype])


def stored(values: npt.NDArray[Any], dtype: Dtype) -> npt.NDArray[Any]:
    """Round to a type; bfloat16 as its upper 16 bits, to nearest even."""
    if dtype != Dtype.BFLOAT16:
        return values.astype(_STORED[dtype])
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def loaded(values: npt.NDArray[Any], dtype: Dtype) -> Floats:
    """Undo ``stored``."""
    if dtype == Dtype.BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def rounded(values: npt.NDArray[Any], dtype: Dtype) -> Floats:
    """Return what is left of float32 values in a type."""
    return loaded(stored(values, dtype), dtype)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """What the kernels are called with; arrays are (B, C, H, W) and (B, 1, H, W)."""

    features: Floats
    hole: npt.NDArray[Any]
    similarity: Similarity = "projection"
    dtype: Dtype = Dtype.FLOAT32
    hole_dtype: Dtype = Dtype.FLOAT32
    layout: Layout = Layout.NCHW
    chain: Chain = Chain.AUTO

    @property
    def desc(self) -> AttentionDesc:
        """Describe it to the library."""
        batch, channels, height, width = self.features.shape
        return attention_desc(
            (batch, channels, height, width),
            dtype=self.dtype,
            hole_dtype=self.hole_dtype,
            similarity=self.similarity,
            layout=self.layout,
            chain=self.chain,
        )

    def pack(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Lay (B, C, H, W) values out as the kernels want them."""
        ordered = values.transpose(0, 2, 3, 1) if self.layout == Layout.NHWC else values
        return stored(np.ascontiguousarray(ordered), self.dtype)

    def unpack(self, buffer: Buffer) -> Floats:
        """Undo ``pack``."""
        batch, channels, height, width = self.features.shape
        values = loaded(buffer.read().view(_STORED[self.dtype]), self.dtype)
        if self.layout == Layout.NHWC:
            return values.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
        return values.reshape(batch, channels, height, width)


def drawn(
    rng: np.random.Generator,
    *shape: int,
    share: float = 0.4,
    dtype: Dtype = Dtype.FLOAT32,
    **fields: Any,  # noqa: ANN401
) -> Problem:
    """Draw a problem of (B, C, H, W) features that its type holds exactly, and scattered holes."""
    features = rounded(feature_like(rng, *shape), dtype)  # type: ignore[call-arg]
    hole = random_hole(rng, shape[0], *shape[2:], share=share)  # type: ignore[call-arg]
    return Problem(features=features, hole=hole, dtype=dtype, **fields)


class Buffers:
    """A problem on a device."""

    def __init__(self, device: Device, problem: Problem, direction: Direction) -> None:
        self.device, self.problem, self.desc = device, problem, problem.desc
        size = problem.pack(problem.features).nbytes
        self.features = device.allocate(size)
        self.hole = device.allocate(stored(problem.hole, problem.hole_dtype).nbytes)
        self.gradient = device.allocate(size)
        self.result = device.allocate(size)
        self.matches = device.allocate(4 * problem.hole.size)
        self.workspace_bytes = device.library.workspace_bytes(self.desc, direction)
        self.workspace = device.allocate(self.workspace_bytes)
        self.load(problem)

    def load(self, problem: Problem) -> None:
        """Put other values in the same places."""
        self.features.write(problem.pack(problem.features))
        self.hole.write(stored(problem.hole, problem.hole_dtype))

    def forward(self, stream: int = 0, *, with_matches: bool = True) -> None:
        self.device.library.forward(
            self.desc,
            features=self.features.address,
            hole=self.hole.address,
            output=self.result.address,
            matches=self.matches.address if with_matches else None,
            workspace=self.workspace.address,
            workspace_bytes=self.workspace_bytes,
            stream=stream,
        )

    def backward(self, stream: int = 0) -> None:
        self.device.library.backward(
            self.desc,
            features=self.features.address,
            hole=self.hole.address,
            output_gradient=self.gradient.address,
            input_gradient=self.result.address,
            workspace=self.workspace.address,
            workspace_bytes=self.workspace_bytes,
            stream=stream,
        )


def run_forward(device: Device, problem: Problem) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Fill the holes; return (B, C, H, W) and the matches, (B, N)."""
    buffers = Buffers(device, problem, Direction.FORWARD)
    buffers.forward()
    device.finish()
    matches = buffers.matches.read().view(np.int32).reshape(problem.hole.shape[0], -1)
    return problem.unpack(buffers.result), matches


def run_backward(device: Device, problem: Problem, gradient: Floats) -> Floats:
    """Return the gradient with respect to the features, (B, C, H, W)."""
    buffers = Buffers(device, problem, Direction.BACKWARD)
    buffers.gradient.write(problem.pack(gradient))
    buffers.backward()
    device.finish()
    return problem.unpack(buffers.result)


def matches_of(problem: Problem) -> npt.NDArray[np.int64]:
    """Return the known position that the oracle copies every position from, (B, N)."""
    return oracle_matches(problem.features, problem.hole, problem.similarity)
