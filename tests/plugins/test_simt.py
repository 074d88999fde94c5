"""The fake GPU on a CPU finds the defects that it exists for."""

import ctypes
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins.abi import Chain, Direction, Dtype
from helpers.kernel_device import SimtDevice
from helpers.kernels import Buffers, Problem, drawn, rounded, run_backward, run_forward
from helpers.simt_build import call_sites


@pytest.fixture
def problem(rng: np.random.Generator) -> Problem:
    """Several tiles of everything: positions, channels, chunks; both blocks of Gram."""
    return drawn(rng, 1, 300, 11, 13, share=0.6, similarity="cosine")


@pytest.fixture
def two_windows(rng: np.random.Generator) -> Problem:
    """More chunks than are solved at once; few channels, for time."""
    return drawn(rng, 1, 24, 24, 30, share=0.8, similarity="cosine")


def run(device: SimtDevice, problem: Problem, direction: Direction) -> None:
    """Run without asserting anything about the result."""
    buffers = Buffers(device, problem, direction)
    buffers.gradient.write(problem.features)
    if direction == Direction.FORWARD:
        buffers.forward()
    else:
        buffers.backward()


def test_the_kernels_have_barriers_that_can_be_dropped() -> None:
    files = {site.split(":")[0] for site in call_sites("__syncthreads")}

    kernels = {"prepare.cu", "rows.cuh", "product.cuh", "chain.cu", "fill.cu", "backward.cu"}
    assert kernels | {"rounds.cuh"} <= files


@pytest.mark.parametrize("site", call_sites("__syncthreads"))
def test_no_barrier_can_be_dropped_without_being_missed(
    watched: SimtDevice, problem: Problem, two_windows: Problem, site: str
) -> None:
    if site.startswith("rounds"):
        problem = two_windows
    elif site.startswith("chain"):
        problem = dataclasses.replace(problem, chain=Chain.SEQUENTIAL)
    direction = Direction.BACKWARD if site.startswith("backward") else Direction.FORWARD
    run(watched, problem, direction)
    assert watched.reports() == []

    watched.drop_barrier(site)
    run(watched, problem, direction)

    (report,) = watched.reports()
    assert "race on" in report or "accessed at byte" in report


@pytest.mark.parametrize("name", ["features", "hole", "result", "matches", "workspace"])
def test_one_element_past_the_end_of_a_buffer_is_found(
    watched: SimtDevice, problem: Problem, name: str
) -> None:
    hole = np.ones_like(problem.hole)  # so many holes that the last chunk is one of them
    hole[..., 0] = 0.0
    chain = Chain.SEQUENTIAL if name == "workspace" else Chain.AUTO  # which uses its last part
    buffers = Buffers(
        watched, dataclasses.replace(problem, hole=hole, chain=chain), Direction.FORWARD
    )
    buffer = getattr(buffers, name)
    last = 256 if name == "workspace" else 4  # its parts are padded to 256 bytes
    shorter = watched.allocate(buffer.read().size - last)
    shorter.write(buffer.read()[:-last])
    setattr(buffers, name, shorter)

    buffers.forward()

    (report,) = watched.reports()
    assert "accessed at byte" in report


def test_a_wait_for_a_copy_cannot_be_dropped_without_being_missed(
    simt: SimtDevice, problem: Problem
) -> None:
    _, expected = run_forward(simt, problem)

    simt.drop_barrier("asyncWait")
    _, matches = run_forward(simt, problem)

    assert (matches != expected).any()  # products of what has not arrived, which is poison


@pytest.mark.parametrize("site", call_sites("awaitPrevious()"))
def test_a_kernel_that_does_not_wait_for_the_one_before_it_is_found(
    watched: SimtDevice, problem: Problem, site: str
) -> None:
    direction = Direction.BACKWARD if site.startswith("backward") else Direction.FORWARD
    watched.drop_barrier(site)
    run(watched, problem, direction)

    (report,) = watched.reports()
    assert "before it waits for the one before it" in report


def test_where_overlapping_is_refused_kernels_are_launched_one_after_another(
    simt: SimtDevice, problem: Problem
) -> None:
    expected, _ = run_forward(simt, problem)

    simt.refuse_overlap(True)
    filled, _ = run_forward(simt, problem)

    np.testing.assert_array_equal(filled, expected)


def test_a_written_guard_is_noticed(simt: SimtDevice) -> None:
    buffer = simt.allocate(16)
    ctypes.memset(buffer.address + 16, 0, 1)

    with pytest.raises(AssertionError):
        simt.finish()


def test_without_a_defect_nothing_is_reported(watched: SimtDevice, problem: Problem) -> None:
    run_forward(watched, problem)
    run_backward(watched, problem, problem.features)

    watched.finish()


def stored_by_the_shim(device: SimtDevice, values: npt.NDArray[Any], dtype: Dtype) -> Any:  # noqa: ANN401
    """Send values through the kernels: a gradient of a map without holes is doubled."""
    features = values.reshape(1, 1, 1, -1)
    hole = np.zeros(features.shape)
    problem = Problem(features=np.ones_like(features), hole=hole, dtype=dtype)
    return run_backward(device, problem, features)[0, 0, 0]


@pytest.mark.parametrize("dtype", [Dtype.FLOAT16, Dtype.BFLOAT16], ids=lambda d: d.name.lower())
def test_halves_are_converted_as_numpy_converts_them(simt: SimtDevice, dtype: Dtype) -> None:
    bits = np.arange(65536, dtype=np.uint32)
    every = (bits << 16).view(np.float32)
    if dtype == Dtype.FLOAT16:
        every = bits.astype(np.uint16).view(np.float16).astype(np.float32)

    for part in np.split(every, 4):  # a map has at most 16384 positions
        doubled = stored_by_the_shim(simt, part, dtype)

        with np.errstate(over="ignore", invalid="ignore"):
            expected = rounded(2 * part, dtype)
        np.testing.assert_array_equal(doubled, expected)
