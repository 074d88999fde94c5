"""A validation measures what would be shipped, in the hole, and draws it."""

import numpy as np
import pytest
import torch
from csakit.train import CSAInpainter, ModelConfig
from csakit.train.evaluation.metrics import hole_psnr
from csakit.train.masks import centre_hole
from csakit.train.training.validation import training_grid, validate

HOLE = centre_hole(256, 256)


def pair(seed: int) -> tuple[str, np.ndarray, np.ndarray]:
    picture = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return f"noise {seed}", picture, HOLE


@pytest.fixture(scope="module")
def grey() -> CSAInpainter:
    """A network whose refined image is 0, mid-grey, everywhere."""
    model = CSAInpainter(ModelConfig(width=1))
    torch.nn.init.zeros_(model.refinement.leave.weight)
    assert model.refinement.leave.bias is not None
    torch.nn.init.zeros_(model.refinement.leave.bias)
    return model


def test_the_figure_is_the_mean_psnr_in_the_hole(grey: CSAInpainter) -> None:
    pairs = [pair(0), pair(1)]

    psnr_db, _ = validate(grey, pairs)

    expected = [
        hole_psnr(np.where(HOLE[..., None], np.uint8(128), picture), picture, HOLE)
        for _, picture, _ in pairs
    ]
    assert psnr_db == pytest.approx(np.mean(expected), rel=1e-9)


def test_a_perfect_image_does_not_make_the_mean_infinite(grey: CSAInpainter) -> None:
    perfect = ("grey", np.full((256, 256, 3), 128, dtype=np.uint8), HOLE)

    assert validate(grey, [perfect])[0] == 99.0


def test_the_grid_shows_input_mask_rough_refined_and_truth(grey: CSAInpainter) -> None:
    _, grid = validate(grey, [pair(seed) for seed in range(5)])

    height, width, _ = grid.shape
    assert width // 256 == 5
    assert height // 256 == 4  # of the five


def test_the_network_is_left_as_it_was(grey: CSAInpainter) -> None:
    grey.train()
    image = torch.zeros(1, 3, 256, 256)

    validate(grey, [pair(0)])
    grid = training_grid(grey, image, torch.from_numpy(HOLE)[None, None].float())

    assert grey.training
    assert all(parameter.grad is None for parameter in grey.parameters())
    assert grid.shape[1] // 256 == 5
