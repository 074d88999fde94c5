"""Run every kernel once on small inputs and compare with the oracle, under compute-sanitizer.

    compute-sanitizer --tool racecheck python -m gpu.sanitizer_driver

Buffers have exactly the size of the contract and are unwritten unless they are inputs, so that an
access past an end, or a read of what nobody wrote, is one. Needs NumPy, pytest and libcsakit, no
torch.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from csakit.plugins.abi import Direction, Dtype, Layout
from csakit.plugins.library import load
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.cuda_device import CudaDevice
from helpers.kernel_device import Device
from helpers.kernels import Problem, drawn, error_limit, run_backward, run_forward

_SEED: Final = 2019
_SHAPES: Final = (  # (B, C, H, W): why it is here
    (2, 72, 11, 9),  # odd positions, channels that end within a line, several chunks
    (1, 512, 16, 16),  # production channels
)
_HOLES: Final = 0.5  # share


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the library; the shape is B, C, H, W."""

    shape: tuple[int, int, int, int]
    dtype: Dtype
    layout: Layout
    similarity: Similarity
    direction: Direction

    def problem(self) -> Problem:
        """Draw features that the type holds exactly, and a mask for each image."""
        return drawn(
            np.random.default_rng(_SEED),
            *self.shape,
            share=_HOLES,
            similarity=self.similarity,
            dtype=self.dtype,
            layout=self.layout,
        )

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
        problem = call.problem()
        features, hole = problem.features, problem.hole
        if call.direction is Direction.FORWARD:
            found, _ = run_forward(device, problem)
            expected = coherent_semantic_attention(features, hole, call.similarity)
        else:
            found = run_backward(device, problem, gradient=features)
            expected = input_gradient(features, hole, features, call.similarity)
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
        limit = error_limit(call.dtype)
        if not error <= limit:  # not a number is wrong too
            wrong.append(f"{call}: off by {error:.1e} of the largest value, {limit:.1e} allowed")
            print(wrong[-1])
        print(f"{number} of {len(calls)} calls, {len(wrong)} wrong", flush=True)
    return wrong


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
