"""Run every kernel once on small inputs and compare with the oracle: food for compute-sanitizer.

    compute-sanitizer --tool racecheck python -m gpu.sanitizer_driver

Buffers have exactly the size of the contract and are unwritten unless they are inputs, so that an
access past an end, or a read of what nobody wrote, is one. Needs NumPy and libcsakit; no torch.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from csakit.benchmarks.inputs import Floats, feature_like
from csakit.plugins.abi import AttentionDesc, Direction, Dtype, Layout, attention_desc
from csakit.plugins.library import load
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.cuda_device import CudaDevice
from helpers.kernel_device import Buffer, Device

_SEED: Final = 2019
_SHAPES: Final = (  # (B, C, H, W): why it is here
    (2, 72, 11, 9),  # odd positions, channels that end within a line, several chunks
    (1, 512, 16, 16),  # production channels
)
_HOLES: Final = 0.5  # share
# Of the largest value: sums in float32, of which 3e-7 was seen, and one rounding to the type.
_SUMS: Final = 5e-6
_ROUNDING: Final = {Dtype.FLOAT32: 0.0, Dtype.FLOAT16: 2.0**-11, Dtype.BFLOAT16: 2.0**-8}


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the library; the shape is B, C, H, W."""

    shape: tuple[int, int, int, int]
    dtype: Dtype
    layout: Layout
    similarity: Similarity
    direction: Direction

    @property
    def desc(self) -> AttentionDesc:
        """Describe it to the library."""
        return attention_desc(
            self.shape,
            dtype=self.dtype,
            hole_dtype=Dtype.FLOAT32,
            similarity=self.similarity,
            layout=self.layout,
        )

    def pack(self, values: Floats) -> npt.NDArray[Any]:
        """Lay (B, C, H, W) values out as the kernels want them; they fit the type exactly."""
        if self.layout is Layout.NHWC:
            values = values.transpose(0, 2, 3, 1)
        values = np.ascontiguousarray(values)
        if self.dtype is Dtype.BFLOAT16:
            return (values.view(np.uint32) >> 16).astype(np.uint16)
        return values.astype(self.dtype.name.lower())

    def unpack(self, buffer: Buffer) -> Floats:
        """Undo ``pack``."""
        values: npt.NDArray[Any]
        if self.dtype is Dtype.BFLOAT16:
            values = (buffer.read().view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = buffer.read().view(self.dtype.name.lower())
        batch, channels, height, width = self.shape
        if self.layout is Layout.NHWC:
            values = values.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
        return values.reshape(self.shape).astype(np.float32)

    def __str__(self) -> str:
        """Name it for people."""
        enums = (self.direction, self.dtype, self.layout)
        return f"{' '.join(word.name.lower() for word in enums)} {self.similarity} {self.shape}"


def every_call() -> Iterator[Call]:
    """List what is run: each type, layout, similarity and direction, on each shape."""
    kinds = itertools.product(_SHAPES, Dtype, Layout, SIMILARITIES, Direction)
    yield from (Call(*kind) for kind in kinds)


def run(device: Device, calls: Sequence[Call]) -> list[str]:
    """Run calls, each in memory of its own; print and return what was wrong, one line a call."""
    wrong = []
    for number, call in enumerate(calls, start=1):
        features, hole = _inputs(call)
        found = _run(device, call, features, hole)
        if call.direction is Direction.FORWARD:
            expected = coherent_semantic_attention(features, hole, call.similarity)
        else:
            expected = input_gradient(features, hole, features, call.similarity)
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
        limit = _SUMS + 1.01 * _ROUNDING[call.dtype]
        if not error <= limit:  # not a number is wrong too
            wrong.append(f"{call}: off by {error:.1e} of the largest value, {limit:.1e} allowed")
            print(wrong[-1])
        print(f"{number} of {len(calls)} calls, {len(wrong)} wrong", flush=True)
    return wrong


def _inputs(call: Call) -> tuple[Floats, Floats]:
    """Draw features that the type holds exactly, and a mask for each image."""
    rng = np.random.default_rng(_SEED)
    features = feature_like(rng, *call.shape)
    if call.dtype is Dtype.BFLOAT16:
        features = (features.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    else:
        features = features.astype(call.dtype.name.lower()).astype(np.float32)
    batch, _, height, width = call.shape
    hole = (rng.random((batch, 1, height, width)) < _HOLES).astype(np.float32)
    return features, hole


def _run(device: Device, call: Call, features: Floats, hole: Floats) -> Floats:
    """Enqueue one call, wait, and give (B, C, H, W); the gradient is that of dY = features."""
    packed = call.pack(features)
    size = device.library.workspace_bytes(call.desc, call.direction)
    given, mask, result, workspace = (
        device.allocate(n) for n in (packed.nbytes, hole.nbytes, packed.nbytes, size)
    )
    given.write(packed)
    mask.write(hole)
    common = {
        "features": given.address,
        "hole": mask.address,
        "workspace": workspace.address,
        "workspace_bytes": size,
        "stream": 0,
    }
    if call.direction is Direction.FORWARD:
        matches = device.allocate(4 * hole.size).address
        device.library.forward(call.desc, output=result.address, matches=matches, **common)
    else:
        dy = device.allocate(packed.nbytes)
        dy.write(packed)
        pointers = {"output_gradient": dy.address, "input_gradient": result.address}
        device.library.backward(call.desc, **pointers, **common)
    device.finish()
    return call.unpack(result)


def main() -> int:
    """Run all calls on the first GPU; return 1 if a result was wrong."""
    calls = list(every_call())
    device = CudaDevice(load(), guard=0)
    try:
        wrong = run(device, calls)
    finally:
        device.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
