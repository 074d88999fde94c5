"""Both plugins compute what the oracle computes, and again when a graph replays them.

Everything is real but the GPU where there is none: then the kernels run on a CPU.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import Similarity
from helpers.features import Floats, feature_like, random_hole
from helpers.kernel_device import Buffer, Device
from helpers.kernels import Problem, rounded, stored
from helpers.plugin_caller import CppPlugin, Plugin, PythonPlugin

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 24, 6, 7

# Of the largest value: sums in float32 (5e-8 was seen), then one rounding to the type (at most
# 4.9e-4). The other similarity alone changes 3e-2 here.
TOLERANCE = {Dtype.FLOAT32: 5e-6, Dtype.FLOAT16: 6e-4}

MakePlugin = Callable[[Device, Problem], Plugin]
each_plugin = pytest.mark.parametrize("make_plugin", [CppPlugin, PythonPlugin])


class Run:
    """One prepared plugin and its memory on a device."""

    def __init__(self, device: Device, problem: Problem, make_plugin: MakePlugin) -> None:
        self.device, self.problem = device, problem
        self.plugin = make_plugin(device, problem)
        size = problem.pack(problem.features).nbytes
        self.buffers: tuple[Buffer, ...] = (
            device.allocate(size),
            device.allocate(stored(problem.hole, problem.hole_dtype).nbytes),
            device.allocate(size),
            device.allocate(self.plugin.workspace_bytes),
        )
        self.load(problem)

    def load(self, problem: Problem) -> None:
        """Put other values in the same places."""
        self.buffers[0].write(problem.pack(problem.features))
        self.buffers[1].write(stored(problem.hole, problem.hole_dtype))

    def enqueue(self, stream: int = 0) -> None:
        features, hole, output, workspace = (buffer.address for buffer in self.buffers)
        self.plugin.enqueue(features, hole, output, workspace, stream)

    def assert_filled(self, problem: Problem) -> None:
        """Compare the output with the oracle's on the features as their type holds them."""
        self.device.finish()
        features = rounded(problem.features, problem.dtype)
        expected = coherent_semantic_attention(features, problem.hole, problem.similarity)
        limit = TOLERANCE[problem.dtype] * np.abs(expected).max()
        np.testing.assert_allclose(problem.unpack(self.buffers[2]), expected, rtol=0, atol=limit)


def some_hole(rng: np.random.Generator, share: float) -> Floats:
    return random_hole(rng, BATCH, HEIGHT, WIDTH, share=share)


@pytest.fixture
def problem(rng: np.random.Generator) -> Problem:
    features = feature_like(rng, BATCH, CHANNELS, HEIGHT, WIDTH)
    return Problem(features=features, hole=some_hole(rng, 0.4))


@each_plugin
@pytest.mark.parametrize(
    ("dtype", "hole_dtype", "layout"),
    [
        pytest.param(Dtype.FLOAT32, Dtype.FLOAT32, Layout.NCHW, id="fp32 export"),
        pytest.param(Dtype.FLOAT16, Dtype.FLOAT32, Layout.NCHW, id="fp16 export"),
        pytest.param(Dtype.FLOAT16, Dtype.FLOAT16, Layout.NCHW, id="half hole"),
        pytest.param(Dtype.FLOAT16, Dtype.FLOAT32, Layout.NHWC, id="channels last"),
        pytest.param(Dtype.FLOAT32, Dtype.FLOAT32, Layout.NHWC, id="fp32 channels last"),
    ],
)
def test_the_plugins_fill_what_the_oracle_fills(
    device: Device,
    problem: Problem,
    make_plugin: MakePlugin,
    similarity: Similarity,
    dtype: Dtype,
    hole_dtype: Dtype,
    layout: Layout,
) -> None:
    problem = dataclasses.replace(
        problem, similarity=similarity, dtype=dtype, hole_dtype=hole_dtype, layout=layout
    )
    run = Run(device, problem, make_plugin)

    run.enqueue()

    run.assert_filled(problem)


@each_plugin
def test_a_captured_plugin_is_replayed_with_other_holes(
    device: Device, rng: np.random.Generator, problem: Problem, make_plugin: MakePlugin
) -> None:
    run = Run(device, problem, make_plugin)
    replay = device.capture(run.enqueue)

    for share in (0.7, 0.0, 0.2):
        other = dataclasses.replace(problem, hole=some_hole(rng, share))
        run.load(other)
        replay()
        run.assert_filled(other)
