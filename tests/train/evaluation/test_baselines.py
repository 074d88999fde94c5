"""Baselines repair what they are known to repair; margins compare picture by picture."""

import math
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.tensors.pixels import Bool, Uint8
from csakit.train.evaluation.baselines import interpolate, open_baselines, open_repair
from csakit.train.evaluation.margins import margin, markdown
from csakit.train.evaluation.scores import Report, evaluate
from helpers.scored import lighter_by_grey, pair


@pytest.fixture
def ramp() -> Uint8:
    """A picture that is harmonic itself: it grows by 2 grey levels a pixel."""
    column = np.arange(64, dtype=np.uint8) * 2
    return np.broadcast_to(column[None, :, None], (64, 64, 3)).copy()


@pytest.fixture
def hole() -> Bool:
    hole = np.zeros((64, 64), dtype=np.bool_)
    hole[20:44, 24:40] = True
    return hole


def test_harmonic_interpolation_continues_a_ramp_exactly(ramp: Uint8, hole: Bool) -> None:
    damaged = np.where(hole[..., None], np.uint8(255), ramp)

    np.testing.assert_array_equal(interpolate(damaged, hole), ramp)


@pytest.mark.parametrize("name", ["harmonic", "opencv"])
def test_every_baseline_comes_near_the_ramp_and_keeps_known_pixels(
    name: str, ramp: Uint8, hole: Bool
) -> None:
    if name == "opencv":
        pytest.importorskip("cv2")
    for model in open_baselines([name]).values():
        report = evaluate(model.run, [("ramp", ramp, hole)])

        assert report.overall().inside.psnr_db > 25
        assert report.passed


def test_an_unknown_baseline_is_refused_with_those_there_are() -> None:
    with pytest.raises(ContractError, match="some of harmonic, opencv; got 'telea'"):
        open_baselines(["telea"])


def test_a_checkpoint_is_refused_with_the_command_that_exports_it() -> None:
    with (
        pytest.raises(ContractError, match=r"(?s)exported models.*csakit export m.safetensors"),
        open_repair(Path("m.safetensors")),
    ):
        pass


def scored(*errors: int) -> Report:
    """Score a model that is off by so many grey levels in the hole, image by image."""
    model = lighter_by_grey({100 + index: error for index, error in enumerate(errors)})
    return evaluate(model, [pair(grey=100 + index) for index in range(len(errors))])


def test_a_margin_takes_the_best_baseline_of_each_picture() -> None:
    found = margin(scored(2, 2, 2), [scored(1, 4, 8), scored(16, 8, 4)])

    step = 20 * math.log10(2)
    assert found["wins"] == pytest.approx(2 / 3)
    assert found["gain_db"] == pytest.approx((-step + step + step) / 3, abs=1e-6)
    assert found["images"] == 3


def test_margins_become_a_markdown_table() -> None:
    lines = markdown({"dust": margin(scored(1), [scored(2)])}).splitlines()

    assert lines[0].startswith("| holes | PSNR dB | best baseline | gain |")
    assert lines[2].startswith("| dust | 48.1 | 42.1 | +6.02 |")
    assert lines[2].endswith("| 100% of 1 |")
