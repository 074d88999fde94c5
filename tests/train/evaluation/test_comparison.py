"""Models side by side on the same pairs."""

from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.evaluation.comparison import compare, draw_comparison
from csakit.train.evaluation.models import Model
from csakit.train.evaluation.pairs import EvaluationOptions, Pairs
from csakit.train.evaluation.scores import Pair, Run
from helpers.scored import lighter


def model_of(run: Run, size: tuple[int, int] | None = None) -> Model:
    return Model(
        path=Path("m.onnx"), sha256="0" * 64, backend="torch", size=size, facts={}, run=run
    )


@pytest.fixture
def pairs() -> Pairs:
    return Pairs(EvaluationOptions(data="scikit-image", masks=("center", "freeform"), batch=2))


def test_models_are_scored_on_the_same_pairs(pairs: Pairs) -> None:
    seen: list[Pair] = []

    def watch(pair: Pair) -> Pair:
        seen.append(pair)
        return pair

    models = {"worse": model_of(lighter(30)), "better": model_of(lighter(3))}
    evaluation = compare(models, pairs, watch=watch)

    assert len(seen) == len(pairs) * len(models) == 8
    assert [*evaluation.reports] == ["center", "freeform"]
    for worse, better in evaluation.reports.values():
        assert [s.hole_ratio for s in worse.images] == [s.hole_ratio for s in better.images]
        assert worse.overall().inside.l1_percent > 8 * better.overall().inside.l1_percent
    assert evaluation.data["images"]["names"] == ["chelsea", "coffee"]


def test_a_model_of_another_size_is_refused_before_any_is_run(pairs: Pairs) -> None:
    def run(images: np.ndarray, holes: np.ndarray) -> np.ndarray:
        raise AssertionError

    models = {"any": model_of(run), "fixed.onnx": model_of(run, (512, 512))}

    with pytest.raises(ContractError, match=r"fixed\.onnx takes images of 512 x 512 only; got"):
        compare(models, pairs)


def test_the_picture_has_a_row_for_each_case_and_a_column_for_each_model(pairs: Pairs) -> None:
    models = {"one": model_of(lighter(30)), "two": model_of(lighter(3))}

    sheet = draw_comparison(compare(models, pairs), pairs)

    gap, label, side = 4, 18, 256
    # Two images: the best and the worst case of two kinds of holes.
    assert sheet.shape == (4 * (side + label + gap) + gap, 4 * (side + gap) + gap, 3)
