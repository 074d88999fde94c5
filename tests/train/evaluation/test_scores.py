"""Scores of models whose error is known, and what becomes of holes and answers that are not."""

import math

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.evaluation.scores import OVER, Pair, Run, composites, evaluate
from helpers.scored import GREY, SIDE, lighter, lighter_by_grey, pair

STEP = 100 / 255  # per cent of the range


def test_a_model_that_errs_by_51_has_the_scores_of_a_pencil() -> None:
    report = evaluate(lighter(51), [pair(missing=160)])  # a fifth of the range, a tenth missing

    row = report.overall()
    assert row.images == 1
    assert row.hole_ratio == pytest.approx(0.1)
    assert row.inside.l1_percent == pytest.approx(20.0)
    assert row.inside.l2_percent == pytest.approx(4.0)
    assert row.inside.psnr_db == pytest.approx(-10 * math.log10(0.04))
    assert row.whole.l1_percent == pytest.approx(2.0)
    assert row.whole.l2_percent == pytest.approx(0.4)
    assert row.whole.psnr_db == pytest.approx(-10 * math.log10(0.004))
    assert row.inside.ssim < row.whole.ssim < 1.0


def test_the_mean_is_over_images_whatever_the_sizes_of_their_holes() -> None:
    model = lighter_by_grey({10: 10, 20: 30})

    report = evaluate(model, [pair("a", grey=10, missing=16), pair("b", grey=20, missing=800)])

    assert [score.inside.l1_percent for score in report.images] == [
        pytest.approx(10 * STEP),
        pytest.approx(30 * STEP),
    ]
    assert report.overall().inside.l1_percent == pytest.approx(20 * STEP)
    decibels = [-20 * math.log10(steps / 255) for steps in (10, 30)]
    assert report.overall().inside.psnr_db == pytest.approx(sum(decibels) / 2)


def test_known_pixels_are_those_of_the_image_whatever_the_model_says() -> None:
    (result,) = composites(lighter(51), [pair(missing=160)])

    assert result is not None
    assert result.dtype == np.uint8
    assert (result.reshape(-1, 3)[:-160] == GREY).all()
    assert (result.reshape(-1, 3)[-160:] == GREY + 51).all()


@pytest.mark.parametrize(("steps", "found"), [(0.4, 0), (0.6, 1), (-0.6, 1), (1.4, 1), (500, 155)])
def test_results_are_rounded_and_clipped_to_8_bits_before_they_are_scored(
    steps: float, found: int
) -> None:
    report = evaluate(lighter(steps), [pair()])

    assert report.overall().inside.l1_percent == pytest.approx(found * STEP)


def test_the_model_gets_network_numbers_and_a_hole_for_each_image() -> None:
    given = []

    def run(images: np.ndarray, holes: np.ndarray) -> np.ndarray:
        given.append((images, holes))
        return images

    evaluate(run, [pair(missing=2), pair(missing=3)], batch=2)

    ((images, holes),) = given
    assert images.shape == (2, 3, SIDE, SIDE)
    assert images.dtype == holes.dtype == np.float32
    assert np.allclose(images, GREY / 127.5 - 1)
    assert holes.shape == (2, 1, SIDE, SIDE)
    assert [hole.sum() for hole in holes] == [2, 3]
    assert set(np.unique(holes)) == {0, 1}


@pytest.mark.parametrize(("batch", "runs"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_batches_change_nothing_but_the_number_of_runs(batch: int, runs: list[int]) -> None:
    greys = [10, 20, 30, 40, 50]
    pairs = [pair(f"{grey}", grey=grey, missing=grey) for grey in greys]
    model, sizes = lighter_by_grey({grey: grey / 2 for grey in greys}), []

    def run(images: np.ndarray, holes: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return model(images, holes)

    report = evaluate(run, pairs, batch=batch)

    assert sizes == runs
    assert report == evaluate(model, pairs)
    assert [score.name for score in report.images] == ["10", "20", "30", "40", "50"]


def test_rows_are_means_of_their_own_bucket() -> None:
    model = lighter_by_grey({10: 5, 20: 15, 30: 40})
    pairs = [
        pair("large", grey=30, missing=900),
        pair("small", grey=10, missing=10),
        pair("small too", grey=20, missing=160),
        pair("over", grey=20, missing=961),
    ]

    rows = {row.bucket: row for row in evaluate(model, pairs).rows()}

    assert {name: row.images for name, row in rows.items()} == {
        **{"all": 4, "0-10": 2, "50-60": 1},
        OVER: 1,
    }
    assert rows["all"].inside.l1_percent == pytest.approx((5 + 15 + 15 + 40) / 4 * STEP)
    assert rows["0-10"].inside.l1_percent == pytest.approx(10 * STEP)
    assert rows["0-10"].hole_ratio == pytest.approx(85 / 1600)
    assert rows["50-60"].inside.l1_percent == pytest.approx(40 * STEP)


def test_empty_holes_are_counted_and_not_run() -> None:
    pairs = [pair("first"), pair("empty", missing=0), pair("last")]

    report = evaluate(lighter(51), pairs, batch=3)

    assert report.empty == ("empty",)
    assert [(score.name, score.position) for score in report.images] == [("first", 0), ("last", 2)]
    assert report.overall().inside.l1_percent == pytest.approx(20.0)


def test_exact_results_are_counted_and_left_out_of_the_mean_psnr_only() -> None:
    model = lighter_by_grey({10: 0, 20: 51})

    row = evaluate(model, [pair(grey=10), pair(grey=20)]).overall()

    assert row.exact == 1
    assert row.inside.psnr_db == pytest.approx(-10 * math.log10(0.04))
    assert row.inside.l1_percent == pytest.approx(10.0)
    all_exact = evaluate(model, [pair(grey=10)] * 2).overall()
    assert (all_exact.exact, all_exact.inside.psnr_db, all_exact.whole.ssim) == (2, math.inf, 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [(0, 0), (SIDE - 1, SIDE - 1)], ids=["known pixel", "hole"])
def test_a_result_that_is_not_finite_spoils_the_mean_and_is_named(
    value: float, at: tuple[int, int]
) -> None:
    def run(images: np.ndarray, holes: np.ndarray) -> np.ndarray:
        results = images.copy()
        results[1, 2, at[0], at[1]] = value
        return results

    report = evaluate(run, [pair("good"), pair("bad")], batch=2)

    assert not report.passed
    assert report.not_finite == ("bad",)
    assert report.images[0].finite
    assert math.isnan(report.images[1].inside.l1_percent)
    for measures in (report.overall().whole, report.overall().inside):
        assert all(math.isnan(number) for number in vars(measures).values())


@pytest.mark.parametrize(("pairs", "got"), [([], "no image"), ([pair(missing=0)], "1 empty holes")])
def test_nothing_to_score_is_refused(pairs: list[Pair], got: str) -> None:
    with pytest.raises(ContractError, match=f"at least one image must have a missing .* {got}"):
        evaluate(lighter(0), pairs)


@pytest.mark.parametrize("run", [lambda i, h: i[:1], lambda i, h: h, lambda i, h: i[..., :8]])
def test_a_model_that_returns_another_shape_is_refused(run: Run) -> None:
    with pytest.raises(ContractError, match=r"must return shape \(2, 3, 40, 40\); got"):
        evaluate(run, [pair(), pair()], batch=2)
