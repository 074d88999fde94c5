"""Checkpoints and exported files answer alike, however many images they take at once."""

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from csakit.plugins.errors import EngineError
from csakit.runtime.contract import META_CHECKPOINT, META_MAX_BATCH
from csakit.runtime.files.atomic import sha256
from csakit.train import CSAInpainter
from csakit.train.evaluation.models import open_model, session_run, torch_run
from helpers.exported import Subject
from helpers.features import image_like, random_hole


class CountingSession:
    """A session that adds what it is told and keeps the sizes of its batches."""

    io, size = "float", None

    def __init__(self, batch: int | None, metadata: Mapping[str, str]) -> None:
        self.batch, self.metadata = batch, metadata
        self.batches: list[int] = []

    def run(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        assert len(image) == len(hole)
        self.batches.append(len(image))
        return image + hole


@pytest.mark.parametrize(
    ("batch", "stated", "images", "batches"),
    [
        pytest.param(None, "", 5, [5], id="any batch"),
        pytest.param(None, "2", 5, [2, 2, 1], id="at most two"),
        pytest.param(None, "8", 5, [5], id="at most more than there are"),
        pytest.param(1, "1", 3, [1, 1, 1], id="one by one"),
        pytest.param(4, "4", 6, [4, 4], id="four exactly: the last is filled up"),
    ],
)
def test_a_batch_is_split_as_the_model_takes_it(
    rng: np.random.Generator, batch: int | None, stated: str, images: int, batches: list[int]
) -> None:
    session = CountingSession(batch, {META_MAX_BATCH: stated})
    image = rng.random((images, 3, 4, 4), dtype=np.float32)
    hole = rng.random((images, 1, 4, 4), dtype=np.float32)

    result = session_run(session)(image, hole)

    assert session.batches == batches
    assert np.array_equal(result, image + hole)


def test_a_torch_network_is_run_without_gradients(small_model: CSAInpainter) -> None:
    image, hole = np.zeros((1, 3, 256, 256), np.float32), np.zeros((1, 1, 256, 256), np.float32)
    hole[..., 64:128, 64:128] = 1

    result = torch_run(copy.deepcopy(small_model).requires_grad_(True))(image, hole)

    assert result.dtype == np.float32
    with torch.inference_mode():
        expected = small_model(torch.from_numpy(image), torch.from_numpy(hole)).numpy()
    assert np.array_equal(result, expected)


def test_a_checkpoint_and_its_export_agree(
    dynamic_export: Subject, rng: np.random.Generator
) -> None:
    image, hole = image_like(rng, 2, 256, 256), random_hole(rng, 2, 256, 256)

    with (
        open_model(dynamic_export.checkpoint) as source,
        open_model(dynamic_export.path) as exported,
    ):
        found = exported.run(image, hole)
        expected = source.run(image, hole)

    assert np.abs(found - expected).max() <= 1e-4  # what every fp32 export is held to
    assert (found != image).any()
    assert (source.backend, exported.backend) == ("torch", "runtime")
    assert source.sha256 == sha256(dynamic_export.checkpoint)
    assert exported.sha256 == sha256(dynamic_export.path)
    assert exported.facts[META_CHECKPOINT] == source.sha256
    assert (source.facts["width"], source.facts["attention"]) == (4, "csa")
    assert source.size is exported.size is None


def test_a_model_of_one_image_in_bytes_takes_several_in_numbers(
    fixed_export: Subject, rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 256, (2, 3, 256, 256)).astype(np.float32)
    image, hole = pixels / np.float32(127.5) - 1, random_hole(rng, 2, 256, 256)

    with open_model(fixed_export.path) as model, open_model(fixed_export.checkpoint) as source:
        found, expected = model.run(image, hole), source.run(image, hole)

    assert (model.size, model.facts["io"]) == ((256, 256), "uint8")
    known = np.broadcast_to(hole == 0, image.shape)
    assert np.array_equal(found[known], image[known])
    assert np.abs(found - expected).max() <= 0.5 / 127.5 + 1e-4  # rounding, and fp32's own limit


def test_a_session_is_closed_at_the_end(fixed_export: Subject) -> None:
    with open_model(fixed_export.path) as model:
        pass

    with pytest.raises(EngineError, match="closed"):
        model.run(np.zeros((1, 3, 256, 256), np.float32), np.zeros((1, 1, 256, 256), np.float32))
