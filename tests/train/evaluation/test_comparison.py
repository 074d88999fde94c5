"""Models side by side on the same pairs."""

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.evaluation.comparison import chosen_cases, compare, draw_cases, draw_comparison
from csakit.train.evaluation.pairs import EvaluationOptions, Pairs
from csakit.train.evaluation.scores import Report, evaluate
from helpers.scored import lighter, lighter_by_grey, model_of, pair


@pytest.fixture
def pairs() -> Pairs:
    return Pairs(EvaluationOptions(data="scikit-image", masks=("center", "freeform"), batch=2))


def test_models_are_scored_on_the_same_pairs(pairs: Pairs) -> None:
    seen: list[None] = []
    models = {"worse": model_of(lighter(30)), "better": model_of(lighter(3))}
    evaluation = compare(models, pairs, advance=lambda: seen.append(None))

    assert len(seen) == len(pairs) * len(models) == 8
    assert [*evaluation.reports] == ["center", "freeform"]
    for worse, better in (reports.values() for reports in evaluation.reports.values()):
        assert [s.hole_ratio for s in worse.images] == [s.hole_ratio for s in better.images]
        assert worse.overall().inside.l1_percent > 8 * better.overall().inside.l1_percent
    assert evaluation.data["images"]["names"] == ["chelsea", "coffee"]


def test_the_picture_has_a_row_for_each_case_and_a_column_for_each_model(pairs: Pairs) -> None:
    models = {"one": model_of(lighter(30)), "two": model_of(lighter(3))}

    sheet = draw_comparison(compare(models, pairs), pairs)

    gap, label, side = 4, 18, 256
    # Two images: the best and the worst case of two kinds of holes.
    assert sheet.shape == (4 * (side + label + gap) + gap, 4 * (side + gap) + gap, 3)


ERRORS = {10: 40.0, 20: 5.0, 30: 90.0, 40: 20.0, 50: 60.0}  # grey level to steps of 255


def report_of(greys: list[int]) -> Report:
    model = lighter_by_grey(ERRORS)
    return evaluate(model, [pair(f"{grey}", grey=grey) for grey in greys])


@pytest.mark.parametrize(
    ("greys", "names"),
    [
        ([10, 20, 30, 40, 50], {"best": "20", "median": "10", "worst": "30"}),
        ([10, 20, 30, 40], {"best": "20", "median": "10", "worst": "30"}),  # of 40 and 10 errors
        ([30, 20, 10], {"best": "20", "median": "10", "worst": "30"}),
        ([30, 20], {"best": "20", "worst": "30"}),
        ([30], {"best": "30"}),
    ],
)
def test_cases_are_chosen_by_their_psnr(greys: list[int], names: dict[str, str]) -> None:
    cases = chosen_cases(report_of(greys))

    assert {rank: case.name for rank, case in cases.items()} == names
    assert list(cases) == [rank for rank in ("best", "median", "worst") if rank in names]


def test_a_result_that_is_not_finite_is_the_worst() -> None:
    model = lighter_by_grey({10: 250.0, 20: 5.0, 30: float("nan")})

    report = evaluate(model, [pair(f"{grey}", grey=grey) for grey in (30, 10, 20)])

    assert [case.name for case in chosen_cases(report).values()] == ["20", "10", "30"]


def test_a_row_has_the_hole_each_result_and_the_truth() -> None:
    pairs = [pair(f"folder/{grey}.png", grey=grey) for grey in (10, 20, 30)]
    models = {"one": lighter_by_grey(ERRORS), "two": lighter(51)}
    cases = chosen_cases(evaluate(models["one"], pairs))

    rows = draw_cases(models, iter(pairs), cases, title="freeform")

    labels = [[cell.label for cell in row] for row in rows]
    assert labels[0] == ["best, freeform: 20.png", "34.15 dB  one", "13.98 dB  two", "truth"]
    assert [row[0] for row in labels] == [
        "best, freeform: 20.png",
        "median, freeform: 10.png",
        "worst, freeform: 30.png",
    ]
    (_, truth, hole), (shown, one, two, last) = pairs[1], rows[0]
    assert (last.picture == truth).all()
    for cell in (shown, one, two):
        assert (cell.picture[~hole] == truth[~hole]).all()
    assert (shown.picture[hole] != truth[hole]).all()
    assert (one.picture[hole] == 25).all()
    assert (two.picture[hole] == 71).all()


def test_the_same_image_with_two_holes_is_told_apart() -> None:
    pairs = [pair("same", grey=10, missing=16), pair("same", grey=20, missing=800)]
    model = lighter_by_grey(ERRORS)

    rows = draw_cases({"m": model}, pairs, chosen_cases(evaluate(model, pairs)), title="t")

    assert [row[-1].picture[0, 0, 0] for row in rows] == [20, 10]


def test_a_result_that_is_not_finite_is_shown_as_such() -> None:
    models = {"good": lighter(51), "bad": lighter(float("nan"))}
    cases = chosen_cases(evaluate(models["good"], [pair()]))

    ((_, good, bad, _),) = draw_cases(models, [pair()], cases, title="center")

    assert bad.label == "not finite  bad"
    assert not bad.picture.any()
    assert good.picture.dtype == np.uint8


def test_other_pairs_than_those_scored_are_refused() -> None:
    cases = chosen_cases(report_of([10, 20, 30]))

    for others in ([pair("10", grey=10)], [pair("x", grey=10)] * 3):
        with pytest.raises(ContractError, match="must be those that were scored"):
            draw_cases({"m": lighter(1)}, others, cases, title="center")
