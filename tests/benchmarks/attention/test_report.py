"""A record is printed with everything that it says: times, lines, floors, verdicts."""

from csakit.benchmarks.attention.report import report
from csakit.benchmarks.record import Absent, Check
from helpers.operator_records import operator_record, timed


def test_forms_stand_beside_each_other_by_holes_in_the_units_that_fit() -> None:
    record = operator_record(
        timed("cuda", 9, 12.34), timed("oracle", 9, 2500.0), timed("oracle", 1, 999.0)
    )

    lines = list(report(record))

    assert lines[0] == "float16, projection, batch 1, 512 channels, 32x32; medians"
    assert lines[1].split() == ["holes", "oracle", "cuda"]
    assert lines[2].split() == ["1", "999.0", "us", "-"]
    assert lines[3].split() == ["9", "2.50", "ms", "12.3", "us"]


def test_the_line_and_that_of_the_serial_kernel_are_stated() -> None:
    times = [
        timed("cuda", holes, 10 + 0.1 * holes, kernels_us={"chain": 0.05 * holes})
        for holes in (1, 9, 99)
    ]

    text = "\n".join(report(operator_record(*times)))

    assert "cuda: 10.0 us + 0.1 us a hole (R^2 1.000, 3 points)" in text
    assert "cuda, chain kernel alone: 0.0 us + 0.05 us a hole" in text.replace("-0.0 us", "0.0 us")


def test_the_floor_stands_beside_each_time_of_the_kernels() -> None:
    record = operator_record(timed("cuda", 512, 40.0, kernels_us={"chain": 30.0, "match": 5.0}))

    text = "\n".join(report(record))

    assert "cuda, 512 holes: 40.0 us; floor 15.1 us (bytes 0.5, flops 0.3, chain 15.1)" in text
    assert "2.65 times that" in text
    assert "chain 30.0 us, match 5.0 us" in text


def test_without_measured_limits_there_is_no_floor() -> None:
    assert "floor" not in "\n".join(report(operator_record(timed("cuda", 9, 1.0), settings={})))


def test_families_come_in_tables_of_their_own() -> None:
    record = operator_record(timed("ort", 9, 1.0), timed("ort", 9, 2.0, dtype="float32"))

    titles = [line for line in report(record) if line.endswith("medians")]

    assert [title.split(",")[0] for title in titles] == ["float16", "float32"]


def test_what_was_not_run_or_was_wrong_is_said() -> None:
    record = operator_record(
        timed("ort", 9, 1.0),
        absent=(Absent(rival="python-loop", reason="it needs a known position"),),
        warnings=("the machine was busy",),
        checks=(Check(name="target: fast", outcome="missed", reason="slow"),),
    )

    lines = list(report(record))

    assert "not run: python-loop: it needs a known position" in lines
    assert "doubtful: the machine was busy" in lines
    assert "missed  target: fast: slow" in lines
