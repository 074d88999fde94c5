"""Lines are fitted through device times, by holes, of cases that differ in nothing else."""

import pytest
from csakit.benchmarks.attention.growth import case_of, families, fit, median_ms
from csakit.benchmarks.attention.problems import Case
from csakit.plugins.errors import ContractError
from helpers.operator_records import operator_record, timed


def test_a_line_goes_through_points_that_lie_on_one() -> None:
    line = fit([(1, 5.2), (10, 7.0), (100, 25.0)])

    assert line is not None
    assert line.intercept_us == pytest.approx(5.0)
    assert line.slope_us == pytest.approx(0.2)
    assert line.r_squared == pytest.approx(1.0)
    assert line.points == 3


def test_scattered_points_lower_r_squared() -> None:
    line = fit([(0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0)])

    assert line is not None
    assert line.r_squared == pytest.approx(0.2)


@pytest.mark.parametrize("points", [[], [(1, 2.0)], [(1, 2.0), (2, 3.0)], [(1, 2.0)] * 3])
def test_too_few_numbers_of_holes_make_no_line(points: list[tuple[int, float]]) -> None:
    assert fit(points) is None


def test_equal_times_make_a_flat_line() -> None:
    line = fit([(1, 2.0), (2, 2.0), (3, 2.0)])

    assert line is not None
    assert line.slope_us == pytest.approx(0.0, abs=1e-12)
    assert line.r_squared == 1.0


def test_families_share_everything_but_the_holes() -> None:
    record = operator_record(
        timed("cuda", 9, 3.0),
        timed("cuda", 1, 2.0),
        timed("cuda", 9, 5.0, batch=16),
        timed("ort", 9, 7.0),
    )

    found = families(record)

    assert [(family.rival, family.case["batch"]) for family in found] == [
        ("cuda", 1),
        ("cuda", 16),
        ("ort", 1),
    ]
    assert list(found[0].measured) == [1, 9]
    assert "holes" not in found[0].case


def test_times_are_those_of_the_device_where_there_is_one() -> None:
    assert median_ms(timed("cuda", 9, 3.0)) == pytest.approx(0.003)
    assert median_ms(timed("torch", 9, 3.0)) == pytest.approx(0.003)


def test_cases_where_nothing_is_filled_do_not_bend_the_line() -> None:
    times = [timed("cuda", holes, 10 + 0.1 * holes) for holes in (100, 200, 1000)]

    (family,) = families(operator_record(*times, timed("cuda", 1024, 1.0)))

    assert family.line is not None
    assert family.line.points == 3
    assert family.line.slope_us == pytest.approx(0.1)


def test_the_serial_kernel_has_a_line_of_its_own_where_it_was_profiled() -> None:
    profiled = [
        timed("cuda", holes, 99.0, kernels_us={"chain": 2 + 0.04 * holes, "match": 7.0})
        for holes in (100, 300, 600)
    ]

    (family,) = families(operator_record(*profiled))
    (bare,) = families(operator_record(*(timed("cuda", holes, 9.0) for holes in (1, 2, 3))))

    assert family.chain_line is not None
    assert family.chain_line.slope_us == pytest.approx(0.04)
    assert bare.chain_line is None


def test_the_case_of_a_measurement_is_read_back() -> None:
    assert case_of(timed("cuda", 9, 1.0)) == Case(holes=9, dtype="float16")


def test_an_impossible_case_in_a_record_is_refused() -> None:
    with pytest.raises(ContractError, match="holes must be in"):
        case_of(timed("cuda", 2000, 1.0))
