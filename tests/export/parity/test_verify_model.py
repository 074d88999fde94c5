"""A verification passes what is right and nothing else."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from csakit.export.config import PRECISIONS, ExportConfig
from csakit.export.parity import verify_model as verify
from csakit.export.parity.cases import Case, export_cases, oblong_case
from csakit.export.parity.compare import compare_cases
from csakit.export.parity.limits import LIMITS
from csakit.export.parity.probe import Probe, torch_stages
from csakit.export.parity.report import Report
from csakit.export.parity.verify_model import verify_model, verify_session
from csakit.runtime.contract import ComputePrecision, IOFormat
from csakit.runtime.sessions.ort_session import OrtSession
from csakit.runtime.sessions.session import open_session
from csakit.train import CSAInpainter
from helpers.exported import Subject, calm_model, set_weight

from ..conftest import Alter

STAGES = ("rough", "features", "matches", "attended", "output")
Stages = dict[str, npt.NDArray[Any]]
CASES = export_cases(ExportConfig(size=256))
CASE = CASES[0]  # the centre: 252 feature positions


@dataclasses.dataclass
class StandIn:
    """A fake probe: returns what torch returned, after a change."""

    stages: Stages
    precision: str = "fp32"
    io: str = "float"
    attention: str = "csa"
    similarity: str = "projection"
    name: str = "stand-in"

    def run(self, case: Case) -> Stages:
        return {name: array.copy() for name, array in self.stages.items()}


@pytest.fixture(scope="module")
def model() -> CSAInpainter:
    return calm_model()


@pytest.fixture(scope="module")
def right(model: CSAInpainter) -> Iterator[Stages]:
    """What torch gives for the case, computed once."""
    stages = torch_stages(model, CASE, "float")

    def known(source: CSAInpainter, case: Case, io: IOFormat) -> Stages:
        return stages if source is model and case is CASE else torch_stages(source, case, io)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "torch_stages", known)
        yield stages


def verified(model: CSAInpainter, stages: Stages, **others: Any) -> Report:  # noqa: ANN401
    """Compare one case of a model that gives these stages."""
    return verify_model(StandIn(stages, **others), model, [CASE])


def changed(stages: Stages, name: str, change: Callable[[npt.NDArray[Any]], object]) -> Stages:
    """Copy the stages and change one array in place."""
    copied = {key: array.copy() for key, array in stages.items()}
    change(copied[name])
    return copied


def failed(report: Report) -> set[str]:
    """Name the stages that broke a limit."""
    return {stage.stage for stage in report.worst() if not stage.passed}


@pytest.mark.parametrize("form", ["dynamic", "packed", "fixed", "half"])
def test_an_export_passes_at_every_stage(request: pytest.FixtureRequest, form: str) -> None:
    subject: Subject = request.getfixturevalue(form)

    report = verify_model(Probe(subject.path), subject.model, [CASE])

    assert report.passed
    assert report.failing is None
    assert tuple(stage.stage for stage in report.worst()) == STAGES


def test_an_ablation_passes_without_matches(ablation: Subject) -> None:
    report = verify_model(Probe(ablation.path), ablation.model, [CASE])

    assert report.passed
    assert "matches" not in {stage.stage for stage in report.worst()}


def test_every_stage_of_every_precision_has_a_limit_with_a_reason() -> None:
    assert tuple(LIMITS) == get_args(ComputePrecision)
    for arithmetic, limits in LIMITS.items():
        shown = STAGES if arithmetic in PRECISIONS else ("output",)  # no file shows more
        assert tuple(limits) == shown
        assert all(limit.reason for limit in limits.values())
        assert limits["output"].psnr_db is not None


def test_the_limits_are_those_that_the_contract_states() -> None:
    assert LIMITS["fp32"]["output"].max_abs == 1e-4
    assert LIMITS["fp16"]["output"].psnr_db == 45.0
    assert LIMITS["bf16"]["output"].psnr_db == 35.0


def test_equal_stages_pass(model: CSAInpainter, right: Stages) -> None:
    report = verified(model, right)

    assert report.passed
    assert {stage.psnr_db for stage in report.worst()} == {None, math.inf}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stage", [name for name in STAGES if name != "matches"])
def test_a_value_that_is_no_number_passes_at_no_stage(
    model: CSAInpainter, right: Stages, stage: str, value: float, precision: str
) -> None:
    middle = (0, *(side // 2 for side in right[stage].shape[1:]))  # inside the hole

    report = verified(
        model, changed(right, stage, lambda a: a.__setitem__(middle, value)), precision=precision
    )

    assert failed(report) == {stage}
    assert not report.passed
    assert "NOT FINITE" in report.table()


def test_a_known_pixel_that_changes_by_its_last_bit_fails(
    model: CSAInpainter, right: Stages
) -> None:
    at = (2, *np.argwhere(~CASE.hole)[1000])

    report = verified(
        model,
        changed(right, "output", lambda a: a.__setitem__(at, np.nextafter(a[at], 2, dtype="f4"))),
    )

    assert failed(report) == {"output"}
    assert "known pixels must be those of the input" in report.table()


@pytest.mark.parametrize(("by", "passes"), [(0.9e-4, True), (1.1e-4, False)])
def test_a_filled_pixel_may_differ_by_the_limit(
    model: CSAInpainter, right: Stages, by: float, passes: bool
) -> None:
    at = (0, *np.argwhere(CASE.hole)[1000])

    report = verified(model, changed(right, "output", lambda a: a.__setitem__(at, a[at] + by)))

    assert report.passed == passes


@pytest.mark.parametrize(("count", "passes"), [(1, True), (2, False)])
def test_one_match_of_252_may_differ(
    model: CSAInpainter, right: Stages, count: int, passes: bool
) -> None:
    filled = np.flatnonzero(right["matches"] != np.arange(right["matches"].size))
    wrong = filled[:count]

    report = verified(model, changed(right, "matches", lambda a: a.__setitem__(wrong, 0)))

    assert report.passed == passes
    assert failed(report) <= {"matches"}


@pytest.mark.parametrize(
    ("stage", "by"), [("rough", 2e-4), ("features", 1.0)], ids=["rough", "features"]
)
def test_an_inner_stage_that_differs_fails_though_the_result_is_right(
    model: CSAInpainter, right: Stages, stage: str, by: float
) -> None:
    report = verified(model, changed(right, stage, lambda a: a.__setitem__((0, 5, 5), by)))

    assert failed(report) == {stage}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_attention_that_scales_its_vectors_fails_though_the_rest_is_right(
    model: CSAInpainter, right: Stages, precision: str
) -> None:
    wrong = changed(right, "attended", lambda a: np.multiply(a, 1.1, out=a))

    report = verified(model, wrong, precision=precision)

    assert failed(report) == {"attended"}


def test_a_model_without_a_case_does_not_pass(model: CSAInpainter, right: Stages) -> None:
    report = verify_model(StandIn(right), model, [])

    assert not report.passed


@pytest.mark.parametrize("kind", ["empty", "full"])
def test_a_case_with_nothing_or_everything_missing_passes(fixed: Subject, kind: str) -> None:
    case = dataclasses.replace(CASE, hole=np.full((256, 256), kind == "full"))
    stages = torch_stages(fixed.model, case, "float")

    report = verify_model(StandIn(stages), fixed.model, [case])

    assert report.passed


def test_the_json_form_is_complete_and_has_no_infinities(
    model: CSAInpainter, right: Stages
) -> None:
    at = (0, *np.argwhere(CASE.hole)[0])
    report = verified(model, changed(right, "output", lambda a: a.__setitem__(at, np.nan)))

    record = json.loads(json.dumps(report.to_json(), allow_nan=False))

    assert record["passed"] is False
    assert (record["precision"], record["io"]) == ("fp32", "float")
    assert tuple(stage["stage"] for stage in record["worst"]) == STAGES
    (case,) = record["cases"]
    assert (case["name"], case["size"]) == (CASE.name, [256, 256])
    assert case["hole_ratio"] == round(float(CASE.hole.mean()), 4)
    assert [stage["passed"] for stage in case["stages"]] == [True, True, True, True, False]
    assert case["stages"][-1]["max_abs"] is None


@pytest.mark.parametrize("answers", [0, 1])
def test_a_case_without_an_answer_is_no_passed_case(right: Stages, answers: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        compare_cases(
            lambda batch: [right] * min(answers, len(batch) - 1),
            lambda _: right,
            [CASE, CASE],
            precision="fp32",
            io="float",
            batch=2,
        )


def verified_session(path: Path, reference: Path, *cases: Case, batch: int = 1) -> Report:
    """Verify a model, open as an engine is, with another as its reference."""
    probe = Probe(reference)
    with contextlib.closing(open_session(path, cache=False, spin=False, threads=2)) as session:
        return verify_session(session, probe.precision, probe.run, cases, batch=batch)


def test_a_session_passes_by_its_only_stage(fixed: Subject, packed: Subject) -> None:
    report = verified_session(fixed.path, fixed.path, *CASES[:2])
    of_bytes = verified_session(packed.path, packed.path, CASE)

    assert report.passed
    assert [stage.stage for stage in report.worst()] == ["output"]
    assert report.summary() == "2 images, fp32, float I/O; every limit kept"
    assert (of_bytes.passed, of_bytes.io) == (True, "uint8")
    assert of_bytes.worst()[0].outside_equal


def test_a_wrong_result_breaks_the_limit(fixed: Subject, altered: Alter) -> None:
    report = verified_session(altered(set_weight), fixed.path, CASE)

    assert not report.passed
    assert "max abs must be at most 0.0001" in report.table()


def test_cases_fill_the_batch_that_an_engine_is_tuned_for(
    dynamic: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    run = OrtSession.run
    monkeypatch.setattr(
        OrtSession, "run", lambda self, *pair: batches.append(len(pair[0])) or run(self, *pair)
    )
    cases = (*CASES, oblong_case())

    report = verified_session(dynamic.path, dynamic.path, *cases, batch=2)

    assert report.passed
    assert batches == [2, 2, 2]  # three of one size and one of another
    assert tuple(parity.case for parity in report.cases) == cases
