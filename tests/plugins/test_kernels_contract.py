"""Bad arguments are answered with a status that names them; nothing is enqueued."""

import re
from typing import Any

import numpy as np
import pytest
from csakit.plugins.abi import Direction, Dtype, Layout, attention_desc
from csakit.plugins.errors import ContractError, LibraryError
from helpers.kernel_device import SimtDevice
from helpers.kernels import Buffers, Problem

SIZES = {"batch": 65535, "channels": 1024, "height": 16384, "width": 16384}
ENUMERATORS = {"dtype": 2, "hole_dtype": 2, "similarity": 1, "layout": 1}
FORWARD = ["features", "hole", "output", "workspace"]
BACKWARD = ["features", "hole", "output_gradient", "input_gradient", "workspace"]


@pytest.fixture
def buffers(simt: SimtDevice) -> Buffers:
    features = np.ones((2, 8, 3, 5), dtype=np.float32)
    hole = np.zeros((2, 1, 3, 5), dtype=np.float32)
    made = Buffers(simt, Problem(features=features, hole=hole), Direction.BACKWARD)
    made.gradient.write(features)
    return made


def call(buffers: Buffers, *, backward: bool, **changes: Any) -> None:  # noqa: ANN401
    """Call with some arguments changed."""
    arguments: dict[str, Any] = {
        "features": buffers.features.address,
        "hole": buffers.hole.address,
        "workspace": buffers.workspace.address,
        "workspace_bytes": buffers.workspace_bytes,
        "stream": 0,
    }
    library = buffers.device.library
    if backward:
        arguments["output_gradient"] = buffers.gradient.address
        arguments["input_gradient"] = buffers.result.address
        library.backward(buffers.desc, **(arguments | changes))
    else:
        arguments["output"] = buffers.result.address
        arguments["matches"] = buffers.matches.address
        library.forward(buffers.desc, **(arguments | changes))


each_pointer = pytest.mark.parametrize(
    ("backward", "name"),
    [*((False, name) for name in [*FORWARD, "matches"]), *((True, name) for name in BACKWARD)],
)


@pytest.mark.parametrize("backward", [False, True])
def test_the_arguments_of_these_tests_are_otherwise_right(
    buffers: Buffers, *, backward: bool
) -> None:
    call(buffers, backward=backward)

    assert np.isfinite(buffers.problem.unpack(buffers.result)).all()


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("direction", Direction)
def test_a_size_below_one_or_above_its_limit_is_refused(
    buffers: Buffers, name: str, direction: Direction
) -> None:
    for value in (0, -1, SIZES[name] + 1, 2**31 - 1):
        setattr(buffers.desc, name, value)
        word = "invalid argument" if value < 1 else "unsupported size"
        text = f"{word}: desc->{name} must be in 1..{SIZES[name]}; got {value}"
        with pytest.raises(ContractError, match=re.escape(text)):
            buffers.device.library.workspace_bytes(buffers.desc, direction)
        with pytest.raises(ContractError, match=re.escape(text)):
            call(buffers, backward=direction == Direction.BACKWARD)


def test_more_positions_than_the_limit_are_refused(buffers: Buffers) -> None:
    buffers.desc.height, buffers.desc.width = 129, 128

    text = r"height \* desc->width must be in 1..16384; got 129 \* 128 = 16512"
    with pytest.raises(ContractError, match=text):
        buffers.device.library.workspace_bytes(buffers.desc, Direction.FORWARD)


@pytest.mark.parametrize("name", ENUMERATORS)
def test_an_enumerator_that_is_none_is_refused(buffers: Buffers, name: str) -> None:
    for value in (-1, ENUMERATORS[name] + 1):
        setattr(buffers.desc, name, value)

        text = f"desc->{name} must be an enumerator in 0..{ENUMERATORS[name]}; got {value}"
        with pytest.raises(ContractError, match=text):
            call(buffers, backward=False)


def test_a_descriptor_of_another_size_is_refused(buffers: Buffers) -> None:
    buffers.desc.struct_bytes = 36

    with pytest.raises(ContractError, match=r"struct_bytes must be 40, .*; got 36"):
        call(buffers, backward=False)


def test_a_direction_that_is_none_is_refused(buffers: Buffers) -> None:
    with pytest.raises(ContractError, match=r"direction must be 0 .* or 1 .*; got 2"):
        buffers.device.library.workspace_bytes(buffers.desc, 2)  # type: ignore[arg-type]


@each_pointer
def test_null_is_refused_where_it_is_not_allowed(
    buffers: Buffers, name: str, *, backward: bool
) -> None:
    if name == "matches":
        call(buffers, backward=backward, matches=None)
        return
    with pytest.raises(ContractError, match=f"invalid argument: d_{name} must not be null"):
        call(buffers, backward=backward, **{name: 0})


@each_pointer
def test_a_misaligned_pointer_is_refused(buffers: Buffers, name: str, *, backward: bool) -> None:
    address = buffers.features.address + 4

    text = rf"d_{name} must be aligned to 16 bytes; got {address:#x}, 4 past it"
    with pytest.raises(ContractError, match=text):
        call(buffers, backward=backward, **{name: address})


@each_pointer
def test_memory_of_the_host_is_refused(buffers: Buffers, name: str, *, backward: bool) -> None:
    memory = np.zeros(1 << 20, dtype=np.uint8)
    address = memory.ctypes.data + -memory.ctypes.data % 16

    text = rf"d_{name} must be memory of the current device, 0; got host memory at {address:#x}"
    with pytest.raises(ContractError, match=text):
        call(buffers, backward=backward, **{name: address})


def test_memory_of_another_device_is_refused(simt: SimtDevice, buffers: Buffers) -> None:
    foreign = simt.allocate(buffers.features.read().size, device=1)

    text = "d_features must be memory of the current device, 0; got memory of device 1"
    with pytest.raises(ContractError, match=text):
        call(buffers, backward=False, features=foreign.address)


@each_pointer
def test_what_is_written_may_not_overlap_anything(
    buffers: Buffers, name: str, *, backward: bool
) -> None:
    result = "input_gradient" if backward else "output"
    other = buffers.result.address if name != result else buffers.features.address + 16

    with pytest.raises(ContractError, match=r"d_\w+ may not overlap d_\w+; got \d+ bytes at") as e:
        call(buffers, backward=backward, **{name: other})
    assert re.search(rf"\bd_{name}\b", str(e.value))


@pytest.mark.parametrize("backward", [False, True])
def test_a_workspace_one_byte_too_small_is_refused(buffers: Buffers, *, backward: bool) -> None:
    direction = Direction.BACKWARD if backward else Direction.FORWARD
    needed = buffers.device.library.workspace_bytes(buffers.desc, direction)

    text = rf"workspace too small: .* must be at least {needed}, .*; got {needed - 1}"
    with pytest.raises(ContractError, match=text):
        call(buffers, backward=backward, workspace_bytes=needed - 1)
    call(buffers, backward=backward, workspace_bytes=needed)


@pytest.mark.parametrize("error", [98, 200, 209, 222])
def test_a_library_for_other_devices_is_an_error(
    simt: SimtDevice, buffers: Buffers, error: int
) -> None:
    simt.fail_next_launch(error)

    with pytest.raises(LibraryError, match=r"no kernel for this device: .* for the current device"):
        call(buffers, backward=False)
    call(buffers, backward=False)


def test_a_refused_launch_is_reported_with_its_step_and_the_text_of_cuda(
    simt: SimtDevice, buffers: Buffers
) -> None:
    simt.fail_next_launch(9)

    with pytest.raises(LibraryError, match="CUDA error: prepare: an error that a test asked for"):
        call(buffers, backward=True)


@pytest.mark.parametrize("backward", [False, True])
def test_the_tolerance_of_captures_ends_with_the_call_whether_it_fails_or_not(
    simt: SimtDevice, buffers: Buffers, *, backward: bool
) -> None:
    call(buffers, backward=backward)
    assert simt.capture_is_strict

    simt.fail_next_launch(9)
    with pytest.raises(LibraryError):
        call(buffers, backward=backward)
    assert simt.capture_is_strict


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("direction", Direction)
def test_a_workspace_for_a_large_problem_is_enough_for_smaller_ones(
    simt: SimtDevice, dtype: Dtype, layout: Layout, direction: Direction
) -> None:
    def size(*shape: int) -> int:
        batch, channels, height, width = shape
        desc = attention_desc(
            (batch, channels, height, width),
            dtype=dtype,
            hole_dtype=Dtype.FLOAT32,
            similarity="cosine",
            layout=layout,
        )
        return simt.library.workspace_bytes(desc, direction)

    sizes = [(b, c, h, 9) for b in (1, 2, 3) for c in (1, 31, 63, 64, 65, 512) for h in (1, 7, 8)]
    for larger in sizes:
        for smaller in sizes:
            if all(s <= g for s, g in zip(smaller, larger, strict=True)):
                assert size(*smaller) <= size(*larger)
