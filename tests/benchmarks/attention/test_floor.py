"""The floor counts what the operator means: bytes once, products of every hole, one chain."""

import pytest
from csakit.benchmarks.attention.floor import CHAIN_CYCLES, floor_of, work_of
from csakit.benchmarks.attention.problems import Case

LIMITS = {"copy_gb_per_s": 4000.0, "float16_tflops": 800.0, "sm_mhz": 2000.0}


def test_the_work_of_a_small_case_is_what_is_counted_by_hand() -> None:
    work = work_of(Case(holes=3, batch=2, channels=5, side=2, dtype="float16"))

    assert work.bytes == 2 * 4 * (5 * 2 + 5 * 2 + 4)
    assert work.flops == 2 * (2 * 3 * 1 * 5 + 2 * 4 * 5 + 5 * 3 * 5)
    assert work.steps == 3


@pytest.mark.parametrize("holes", [0, 1024])
def test_where_nothing_is_filled_only_bytes_move(holes: int) -> None:
    work = work_of(Case(holes=holes))

    assert (work.flops, work.steps) == (0, 0)
    assert work.bytes == 1024 * (2 * 512 * 4 + 4)


def test_the_floor_is_the_largest_of_the_three() -> None:
    case = Case(holes=512, dtype="float16")

    floor = floor_of(case, LIMITS)

    assert floor is not None
    assert floor.bytes_us == pytest.approx(1024 * (2 * 512 * 2 + 4) / 4000e3)
    assert floor.flops_us == pytest.approx(work_of(case).flops / 800e6)
    assert floor.us == floor.chain_us == pytest.approx(512 * CHAIN_CYCLES / 2000)


@pytest.mark.parametrize("missing", LIMITS)
def test_there_is_no_floor_without_measured_limits(missing: str) -> None:
    limits = {name: value for name, value in LIMITS.items() if name != missing}

    assert floor_of(Case(holes=9, dtype="float16"), limits) is None
    assert floor_of(Case(holes=9, dtype="float16"), {**limits, missing: 0.0}) is None
