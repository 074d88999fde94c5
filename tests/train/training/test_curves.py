"""The curves of runs become one picture."""

from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training.curves import draw_curves
from PIL import Image


def test_there_is_a_panel_for_each_scalar_and_a_line_for_each_run(tmp_path: Path) -> None:
    rise = [{"step": step, "reconstruction": float(step)} for step in range(3)]
    fall = [{"step": step, "reconstruction": 2.0 - step, "adversarial": 1.0} for step in range(3)]

    draw_curves({"rise": rise}, tmp_path / "one.png")
    draw_curves({"rise": rise, "fall": fall}, tmp_path / "two.png")
    draw_curves({"rise": rise, "fall": fall, "no": [{"step": 1, "x": 1.0}]}, tmp_path / "same.png")

    one, two, same = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("one", "two", "same"))
    assert one.shape == two.shape == (300, 1000, 4)  # two panels fit into a row
    assert (one != two).any()
    assert (two == same).all()  # what has no such scalar has no line


def test_logs_without_any_of_the_scalars_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="curves need a scalar of one of reconstruction, "):
        draw_curves({"run": [{"step": 1, "learning_rate": 0.1}]}, tmp_path / "curves.png")
    assert not [*tmp_path.iterdir()]
