"""Candidates are compared before and after they are timed, image by image, and interleaved."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.benchmarks.latency.cases import Case, make_cases, reference
from csakit.benchmarks.latency.interleave import InterleavedRun, Timed, compare
from csakit.benchmarks.latency.models import Candidate
from csakit.benchmarks.latency.plan import Plan
from csakit.plugins.errors import ContractError, ParityError
from csakit.runtime.tensors.pixels import Float32
from csakit.train import CSAInpainter

FP32 = {"precision": "fp32", "io": "float"}


@pytest.fixture
def expected(small_model: CSAInpainter, cases: Sequence[Case]) -> list[Float32]:
    return [reference(small_model, case) for case in cases]


@pytest.fixture
def run(plan: Plan, cases: list[Case], expected: list[Float32], tmp_path: Path) -> InterleavedRun:
    return InterleavedRun(plan, cases, expected, tmp_path, progress=lambda _: None)


class Recorder:
    """Stands for a process where only the order of requests matters."""

    def __init__(self, name: str, order: list[tuple[str, int]]) -> None:
        self.name, self.order = name, order

    def ask(self, request: str, case: int, calls: int, **_: float) -> list[float]:
        if request == "run":
            self.order.append((self.name, case))
        return [float(len(self.order))] * calls


def test_candidates_that_are_right_are_timed(
    run: InterleavedRun, candidates: list[Candidate]
) -> None:
    with run.opened(candidates) as (timed, absent):
        run.measure(timed)

    assert absent == []
    assert [one.candidate.name for one in timed] == ["torch", "ort"]
    for one in timed:
        assert [len(samples) for samples in one.samples] == [2, 2]
        assert all(parity.passed and parity.max_abs <= 5e-5 for parity in one.parities)


def test_a_wrong_result_stops_the_run_before_the_clock(
    run: InterleavedRun, candidates: list[Candidate], expected: list[Float32]
) -> None:
    expected[1][0, 0, 128, 128] += 0.1

    with (
        pytest.raises(ParityError, match=r"torch differs from .* holes 0.4 max abs is 0.1 "),
        run.opened(candidates),
    ):
        pass


def test_a_result_that_became_wrong_while_timed_stops_the_run(
    run: InterleavedRun, candidates: list[Candidate], expected: list[Float32]
) -> None:
    with run.opened(candidates[1:]) as (timed, _):
        expected[0][0, 0, 128, 128] += 0.1
        with pytest.raises(ParityError, match="holes center"):
            run.measure(timed)


def test_a_candidate_that_cannot_open_its_file_is_absent_with_the_reason(
    run: InterleavedRun, candidates: list[Candidate], tmp_path: Path
) -> None:
    broken = tmp_path / "folder" / "broken.onnx"
    broken.parent.mkdir()
    broken.write_bytes(b"no model")

    with run.opened([dataclasses.replace(candidates[1], file=broken), candidates[0]]) as found:
        timed, absent = found

    assert [one.candidate.name for one in timed] == ["torch"]
    assert absent[0].backend == "ort"
    assert absent[0].reason.startswith("ContractError: broken.onnx must be a complete ONNX model")


def test_every_candidate_runs_every_case_once_a_round(
    run: InterleavedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InterleavedRun, "_parity", lambda *_: None)
    order: list[tuple[str, int]] = []
    timed: Any = [
        Timed(type("C", (), {"name": name})(), Recorder(name, order), [[], []], [])  # type: ignore[arg-type]
        for name in ("a", "b", "c")
    ]

    dataclasses.replace(run, plan=dataclasses.replace(run.plan, rounds=8)).measure(timed)

    threes = [order[start : start + 3] for start in range(0, len(order), 3)]
    assert len(threes) == 16
    for index, three in enumerate(threes):
        assert {name for name, _ in three} == {"a", "b", "c"}
        assert {case for _, case in three} == {index % 2}
    assert len({tuple(name for name, _ in three) for three in threes}) > 3  # orders differ
    assert all(len(samples) == 16 for one in timed for samples in one.samples)


def test_cold_starts_are_fresh_processes_timed_part_by_part(
    run: InterleavedRun, candidates: list[Candidate]
) -> None:
    start = run.cold_start(candidates[1])

    parts = (start.import_ms, start.load_ms, start.first_ms)
    assert min(parts) > 0
    assert sum(parts) < start.total_ms  # the interpreter's own start is in the total
    assert start.peak_host_bytes is not None
    assert start.peak_host_bytes > 30 << 20


@pytest.fixture
def case() -> Case:
    return make_cases(Plan(batches=(2,), holes=("0.3",)))[0]


def test_equal_results_have_no_error(case: Case) -> None:
    compared = compare(case.image, case.image.copy(), case, FP32)

    assert (compared.max_abs, compared.psnr_db, compared.images) == (0.0, None, 2)
    assert (compared.max_abs_limit, compared.psnr_db_limit) == (1e-4, 80.0)
    assert compared.passed


@pytest.mark.parametrize(
    ("image", "missing", "change"), [(1, 1, 0.01), (0, 0, 0.01), (0, 0, np.nan)]
)
def test_one_wrong_pixel_of_one_image_is_found(
    case: Case, image: int, missing: int, change: float
) -> None:
    wrong = case.image.copy()
    row, column = np.argwhere(case.hole[image, 0] == missing)[0]
    wrong[image, 2, row, column] += change

    compared = compare(wrong, case.image, case, FP32)

    assert compared.max_abs == pytest.approx(change, rel=1e-4, nan_ok=True)
    assert not compared.passed


def test_the_worst_image_counts(case: Case) -> None:
    wrong = case.image.copy()
    wrong[0] += 1e-6
    wrong[1] += 1e-5

    compared = compare(wrong, case.image, case, FP32)

    assert compared.psnr_db == pytest.approx(20 * np.log10(2 / 1e-5), abs=0.2)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        (FP32, (1e-4, 80.0)),
        ({"precision": "fp16", "io": "float"}, (None, 45.0)),
        ({"precision": "fp32", "io": "uint8"}, (1e-4 + 1 / 127.5, 48.0)),
        ({"precision": "fp16", "io": "uint8"}, (None, 45.0)),
    ],
)
def test_the_options_of_a_file_decide_its_limits(
    case: Case, options: dict[str, str], limits: tuple[float | None, float]
) -> None:
    compared = compare(case.image, case.image, case, options)

    assert (compared.max_abs_limit, compared.psnr_db_limit) == limits


def test_a_precision_without_limits_is_refused(case: Case) -> None:
    with pytest.raises(ContractError, match=r"a precision must be one of fp32, .*; got 'fp4'"):
        compare(case.image, case.image, case, {"precision": "fp4", "io": "float"})


def test_a_result_of_another_shape_is_refused(case: Case) -> None:
    with pytest.raises(ContractError, match=r"a result must have shape \(2, 3, 256, 256\)"):
        compare(case.image[:1], case.image, case, FP32)
