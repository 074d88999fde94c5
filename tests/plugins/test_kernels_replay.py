"""A captured call does its work again, with other values, in the same memory.

Captures are of the strict kind, which torch begins too; the fake GPU has no kernel loaded when
one begins.
"""

import numpy as np
import pytest
from csakit.plugins.abi import Direction, Dtype
from csakit.plugins.reference import coherent_semantic_attention, input_gradient
from helpers.kernel_device import Device
from helpers.kernels import Buffers, Problem, drawn, matches_of

SHARES = [0.3, 0.95, 0.0, 1.0, 0.05]  # other counts of holes, none and all among them


@pytest.fixture
def problems(rng: np.random.Generator) -> list[Problem]:
    return [drawn(rng, 2, 40, 11, 9, share=share, similarity="cosine") for share in SHARES]


def test_a_captured_call_is_right_on_replay_with_other_masks(
    device: Device, problems: list[Problem]
) -> None:
    buffers = Buffers(device, problems[0], Direction.FORWARD)
    replay = device.capture(buffers.forward)
    assert (buffers.result.read() == 0xFF).all()  # capturing enqueues, it does not run

    for problem in problems:
        buffers.load(problem)
        replay()
        device.finish()

        filled = problem.unpack(buffers.result)
        expected = coherent_semantic_attention(problem.features, problem.hole, "cosine")
        np.testing.assert_allclose(filled, expected, rtol=1e-5)
        matches = buffers.matches.read().view(np.int32).reshape(2, -1)
        np.testing.assert_array_equal(matches, matches_of(problem))


def test_a_captured_gradient_is_right_on_replay_with_other_masks(
    device: Device, rng: np.random.Generator, problems: list[Problem]
) -> None:
    buffers = Buffers(device, problems[0], Direction.BACKWARD)
    gradient = rng.standard_normal(problems[0].features.shape).astype(np.float32)
    buffers.gradient.write(gradient)
    replay = device.capture(buffers.backward)

    for problem in problems:
        buffers.load(problem)
        replay()
        device.finish()

        expected = input_gradient(problem.features, problem.hole, gradient, "cosine")
        np.testing.assert_allclose(problem.unpack(buffers.result), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [Dtype.FLOAT32, Dtype.FLOAT16], ids=lambda d: d.name.lower())
def test_the_same_call_gives_the_same_bits(
    device: Device, rng: np.random.Generator, dtype: Dtype
) -> None:
    problem = drawn(rng, 2, 72, 11, 9, dtype=dtype)
    results = []
    for _ in range(2):
        buffers = Buffers(device, problem, Direction.BACKWARD)
        buffers.gradient.write(problem.pack(problem.features))
        buffers.backward()
        device.finish()
        results.append(buffers.result.read())

    np.testing.assert_array_equal(*results)
