"""A record is printed with all that it holds: times, slopes, kernels, targets met and missed."""

import pytest
from csakit.benchmarks.attention.report import (
    AT_MOST_US,
    families,
    median_ms,
    slope,
    targets,
    text,
)
from csakit.benchmarks.record import Absent, Check, Measurement, Record
from helpers.operator_records import operator_record, timed


def family(*measurements: Measurement) -> dict[int, Measurement]:
    (found,) = families(operator_record(*measurements)).values()
    return found


def target(record: Record, word: str) -> Check:
    """Return the one target whose name has a word."""
    (check,) = [check for check in targets(record) if word in check.name]
    return check


def test_implementations_stand_beside_each_other_by_holes() -> None:
    record = operator_record(
        timed("cuda", 9, 12.34), timed("oracle", 9, 2500.0), timed("oracle", 1, 999.0)
    )

    lines = text(record).splitlines()

    assert "float16, projection, batch 1, 512 channels, 32x32; medians" in lines[0]
    assert lines[1].split() == ["|", "oracle", "|", "cuda"]
    assert lines[3].split() == ["1", "holes", "|", "999.0", "|"]
    assert lines[4].split() == ["9", "holes", "|", "2500.0", "|", "12.3"]
    assert lines[6] == "Times are in microseconds (us)."


def test_sizes_and_types_come_in_tables_of_their_own() -> None:
    record = operator_record(timed("ort", 9, 1.0), timed("ort", 9, 2.0, dtype="float32"))

    titles = [line for line in text(record).splitlines() if "medians" in line]

    assert len(titles) == 2
    assert "float16" in titles[0]
    assert "float32" in titles[1]


def test_slopes_and_kernels_are_stated() -> None:
    times = [
        timed("cuda", holes, 10 + 0.1 * holes, kernels_us={"chain": 1 + 0.05 * holes, "match": 5.0})
        for holes in (1, 9, 99)
    ]

    printed = text(operator_record(*times))

    assert "cuda: 10.0 us + 0.1 us a hole (R^2 1.000)" in printed
    assert "cuda, 99 holes, us of each kernel: chain 6.0, match 5.0" in printed


def test_what_was_not_run_or_was_wrong_is_printed() -> None:
    record = operator_record(
        timed("ort", 9, 1.0),
        absent=(Absent(backend="python-loop", reason="it needs a known position"),),
        warnings=("load average was 2.0 on 2 cores before the run",),
        checks=(Check(name="target: fast", outcome="missed", reason="slow"),),
    )

    lines = text(record).splitlines()

    assert "not run: python-loop: it needs a known position" in lines
    assert "Warning: load average was 2.0 on 2 cores before the run" in lines
    assert "missed  target: fast: slow" in lines


def test_families_share_everything_but_the_holes() -> None:
    record = operator_record(
        timed("cuda", 9, 3.0),
        timed("cuda", 1, 2.0),
        timed("cuda", 9, 5.0, batch=16),
        timed("ort", 9, 7.0),
    )

    found = families(record)

    assert [(name, dict(shared)["batch"]) for name, shared in found] == [
        ("cuda", 1),
        ("cuda", 16),
        ("ort", 1),
    ]
    assert [list(by_holes) for by_holes in found.values()] == [[1, 9], [9], [9]]


def test_times_are_those_of_the_device_where_there_is_one() -> None:
    assert median_ms(timed("cuda", 9, 3.0)) == pytest.approx(0.003)
    assert median_ms(timed("torch", 9, 3.0)) == pytest.approx(0.003)


def test_a_line_fits_points_that_lie_on_one_and_r_squared_reports_how_well() -> None:
    straight = slope(family(*(timed("ort", n, 5 + 0.2 * n) for n in (1, 10, 100))))
    scattered = slope(family(*(timed("ort", n, 1 + n % 2) for n in (1, 2, 3, 4))))
    flat = slope(family(*(timed("ort", n, 2.0) for n in (1, 2, 3))))

    assert straight == pytest.approx((5.0, 0.2, 1.0))
    assert scattered is not None
    assert scattered[2] == pytest.approx(0.2)
    assert flat == pytest.approx((2.0, 0.0, 1.0))


def test_too_few_points_and_identities_make_no_line() -> None:
    assert slope({}) is None
    assert (
        slope(family(timed("ort", 1, 1.0), timed("ort", 2, 1.0), timed("ort", 1024, 1.0))) is None
    )


@pytest.mark.parametrize(
    ("holes", "us", "outcome"),
    [(225, 25.0, "met"), (225, 25.1, "missed"), (512, 45.0, "met"), (512, 45.1, "missed")],
)
def test_latency_is_that_of_the_captured_graph(
    holes: int, us: float, outcome: str, similarity: str
) -> None:
    kind = {"similarity": similarity}
    record = operator_record(
        timed("cuda-graph", holes, us, **kind), timed("cuda", holes, 1.0, **kind)
    )

    found = target(record, f"{holes} holes take at most {AT_MOST_US[holes]:.0f} us, {similarity}")

    assert (found.outcome, found.reason) == (outcome, f"{us:.1f} us")


@pytest.mark.parametrize(("us", "outcome"), [(60.0, "met"), (61.0, "missed")])
def test_a_batch_is_judged_by_its_worst_ratio(us: float, outcome: str) -> None:
    record = operator_record(
        timed("cuda-graph", 225, 20.0),
        timed("cuda-graph", 225, us, batch=16),
        timed("cuda-graph", 512, 40.0),
        timed("cuda-graph", 512, 80.0, batch=16),
    )

    found = target(record, "batch of 16")

    assert (found.outcome, found.reason) == (outcome, f"{us / 20:.2f} times")


@pytest.mark.parametrize(("us", "outcome"), [(15000.0, "met"), (14900.0, "missed")])
def test_the_loop_is_compared_with_kernels_launched_one_by_one(us: float, outcome: str) -> None:
    record = operator_record(
        timed("cuda", 225, 30.0), timed("cuda-graph", 225, 1.0), timed("python-loop-cuda", 225, us)
    )

    found = target(record, "Python loop")

    assert found.outcome == outcome
    assert found.reason.startswith(f"{us / 30:.0f} times: 30.0 us against")


@pytest.mark.parametrize("other", [{"dtype": "float32"}, {"channels": 256}, {"side": 24}])
def test_targets_are_about_the_stated_sizes_only(other: dict[str, object]) -> None:
    record = operator_record(timed("cuda-graph", 225, 1.0, **other))

    assert {check.outcome for check in targets(record)} == {"skipped"}
    assert {check.reason for check in targets(record)} == {"not measured in this run"}
