"""Batches depend on seed and position alone: not on workers, ranks, or where a run resumed."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.data import open_images, open_masks
from csakit.train.data.loader import Batch, evaluation_pairs, training_batches
from helpers.pictures import break_files, write_mask, write_picture

COMMON: dict[str, Any] = {"size": 32, "batch": 2, "seed": 11, "workers": 0, "start_step": 0}


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Any, Any]:
    """Seven images of which two are broken, in epochs that end within a batch; five masks."""
    for index in range(5):
        write_picture(tmp_path / "photos" / f"{index}.png", level=50 * index)
        write_mask(tmp_path / "masks" / f"{index}.png", 0.1 + index / 10)
    (tmp_path / "photos" / "a.png").write_bytes(b"")
    (tmp_path / "photos" / "b.jpg").write_text("no image")
    images = open_images(f"{tmp_path / 'photos'}:0.8,procedural:0.2", split="train")
    return images, open_masks(str(tmp_path / "masks"))


def assert_same(one: Iterable[Batch], other: Iterable[Batch], count: int) -> None:
    pairs = [*zip(one, other, strict=True)]
    assert len(pairs) == count
    for mine, theirs in pairs:
        torch.testing.assert_close(mine.image, theirs.image, rtol=0, atol=0)
        torch.testing.assert_close(mine.hole, theirs.hole, rtol=0, atol=0)
        assert mine.broken == theirs.broken


def test_batches_are_what_a_step_takes(sources: tuple[Any, Any]) -> None:
    batches = [*training_batches(*sources, **COMMON, steps=6)]

    for batch in batches:
        assert (batch.image.shape, batch.image.dtype) == ((2, 3, 32, 32), torch.float32)
        assert (batch.hole.shape, batch.hole.dtype) == ((2, 1, 32, 32), torch.float32)
        assert -1 <= batch.image.min() <= batch.image.max() <= 1
        assert {*batch.hole.unique().tolist()} == {0, 1}
        assert (batch.hole[0] != batch.hole[1]).any()
    assert any(batch.broken for batch in batches)


def test_workers_change_nothing(sources: tuple[Any, Any]) -> None:
    alone = training_batches(*sources, **COMMON, steps=9)
    shared = training_batches(*sources, **{**COMMON, "workers": 2}, steps=9)

    assert_same(alone, shared, 9)


@pytest.mark.parametrize("start", [1, 4, 7])
def test_a_resumed_run_goes_on_as_if_unbroken(sources: tuple[Any, Any], start: int) -> None:
    unbroken = [*training_batches(*sources, **COMMON, steps=9)]
    resumed = training_batches(*sources, **{**COMMON, "start_step": start}, steps=9)

    assert_same(unbroken[start:], resumed, 9 - start)


def test_processes_share_what_one_would_take(sources: tuple[Any, Any]) -> None:
    whole = training_batches(*sources, **{**COMMON, "batch": 4}, steps=5)
    ranks = [training_batches(*sources, **COMMON, steps=5, rank=r, world=2) for r in (0, 1)]

    for all_four, first, second in zip(whole, *ranks, strict=True):
        assert torch.equal(all_four.image, torch.cat([first.image, second.image]))
        assert torch.equal(all_four.hole, torch.cat([first.hole, second.hole]))
        assert all_four.broken == first.broken + second.broken


def test_seeds_and_epochs_differ() -> None:
    images, masks = open_images("scikit-image"), open_masks("freeform")
    one, other = (
        [*training_batches(images, masks, **{**COMMON, "batch": 9, "seed": seed}, steps=2)]
        for seed in (0, 1)
    )

    seen = {picture.numpy().tobytes() for batch in (*one, *other) for picture in batch.image}
    assert len(seen) == 36


def test_loading_leaves_the_generator_of_training_alone(sources: tuple[Any, Any]) -> None:
    before = torch.random.get_rng_state()

    [*training_batches(*sources, **{**COMMON, "workers": 1}, steps=1)]

    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_broken_file_is_logged_once(
    sources: tuple[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        batches = [*training_batches(*sources, **COMMON, steps=20)]

    told = [record.getMessage() for record in caplog.records]
    counted = [line for batch in batches for line in batch.broken]
    assert len(told) == len({*counted}) == 2
    assert len(counted) > 2
    assert all(message.startswith("skipped: ") for message in told)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_folder_of_broken_files_is_an_error_without_a_traceback(
    tmp_path: Path, workers: int
) -> None:
    break_files(tmp_path)
    images = open_images(str(tmp_path), split="all")
    batches = training_batches(
        images, open_masks("center"), **{**COMMON, "workers": workers}, steps=1
    )

    with pytest.raises(ContractError) as caught:
        next(iter(batches))

    assert str(caught.value).startswith("at least one image must be readable; 6 in a row")
    assert "Traceback" not in str(caught.value)


def test_evaluation_pairs_are_always_the_same(tmp_path: Path) -> None:
    for index in range(4):
        write_picture(tmp_path / f"{index}.png", level=index)
    images = open_images(str(tmp_path), split="all")

    runs = [
        [*evaluation_pairs(images, open_masks("freeform"), size=32, seed=0, count=count)]
        for count in (None, 2, 9)
    ]

    assert [name for name, _, _ in runs[0]] == [f"{index}.png" for index in range(4)]
    assert [len(run) for run in runs] == [4, 2, 4]
    for one, other in zip(runs[0], runs[2], strict=True):
        np.testing.assert_array_equal(one[1], other[1])
        np.testing.assert_array_equal(one[2], other[2])
    assert len({hole.tobytes() for _, _, hole in runs[0]}) == 4
    assert (runs[0][3][1] == 3).all()


def test_evaluation_draws_other_images_than_training() -> None:
    images, masks = open_images("procedural", split="val"), open_masks("center")

    pairs = [*evaluation_pairs(images, masks, size=32, seed=11, count=4)]
    (trained,) = training_batches(images, masks, **{**COMMON, "batch": 64}, steps=1)

    levels = (trained.image.permute(0, 2, 3, 1) + 1) * 127.5
    for _, image, _ in pairs:
        assert (levels - torch.from_numpy(image)).abs().flatten(1).mean(1).min() > 5


def test_evaluation_leaves_broken_images_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    break_files(tmp_path)
    images, masks = open_images(str(tmp_path), split="all"), open_masks("center")
    with pytest.raises(ContractError, match="at least one image must be readable; none is"):
        [*evaluation_pairs(images, masks, size=32, seed=0)]

    write_picture(tmp_path / "good.png")
    images = open_images(str(tmp_path), split="all")
    caplog.clear()
    names = [name for name, _, _ in evaluation_pairs(images, masks, size=32, seed=0)]

    assert names == ["good.png"]
    assert len(caplog.records) == 6
