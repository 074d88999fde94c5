"""Scalars are kept line by line; what a resumed run repeats is not kept twice."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.training.metrics_log import (
    MeanLosses,
    MetricsLog,
    draw_curves,
    drop_after,
    read_scalars,
)
from csakit.train.training.run_folder import RunFolder
from PIL import Image


def test_means_are_over_the_steps_since_the_last_ones() -> None:
    means = MeanLosses()
    for value in (1.0, 3.0):
        means.add({"total": torch.tensor(value)})

    assert means.take() == {"total": 2.0}
    means.add({"total": torch.tensor(5.0)})
    assert means.take() == {"total": 5.0}


def test_scalars_and_pictures_are_written_where_the_run_keeps_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder(tmp_path)
    grid = np.full((8, 16, 3), 7, dtype=np.uint8)

    with (
        caplog.at_level(logging.INFO),
        MetricsLog(run, step=0, steps=2, images_per_step=1) as log,
    ):
        log.log_losses(1, {"reconstruction": 0.5, "learning_rate": 1e-4})
        log.advance()
        log.log_validation(1, 20.25, grid, best=True)

    first, second = read_scalars(run.scalars)
    assert (first["step"], first["reconstruction"], first["learning_rate"]) == (1, 0.5, 1e-4)
    assert first["images_per_second"] > 0
    assert second == {"step": 1, "validation_hole_psnr_db": 20.25}
    assert (np.asarray(Image.open(run.samples)) == grid).all()
    assert [path.name for path in run.tensorboard.glob("events.out.tfevents.*")]
    assert "20.25 dB, the best so far" in caplog.text


def test_tensorboard_reads_the_same_scalars_and_the_pictures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = RunFolder(tmp_path)
    with MetricsLog(run, step=0, steps=2, images_per_step=1) as log:
        log.log_losses(1, {"total": 0.5})
        log.log_images("training", 1, np.zeros((8, 8, 3), dtype=np.uint8))

    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("total")] == [(1, 0.5)]
    assert [event.step for event in events.Images("training")] == [1]


def test_lines_after_a_step_and_lines_cut_short_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "scalars.jsonl"
    lines = [json.dumps({"step": step, "total": 0.5}) for step in (1, 2, 3)]
    path.write_text("\n".join([*lines, '{"step": 4, "tot']))

    drop_after(path, 2)

    assert read_scalars(path) == [{"step": 1, "total": 0.5}, {"step": 2, "total": 0.5}]
    drop_after(tmp_path / "absent.jsonl", 2)  # a new run has none


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
