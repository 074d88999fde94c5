"""The fill of a hole is harmonic: the mean of its neighbours everywhere, fixed at the rim."""

import math

import numpy as np
import pytest
import skimage.data
import torch
from csakit.runtime.tensors.pixels import float_from_uint8
from csakit.train.networks.fill import harmonic_fill
from helpers.features import image_like
from helpers.laplace import solve_exactly
from torch import Tensor

SIDE = 256


def exact(image: Tensor, missing: Tensor) -> Tensor:
    """Solve Laplace's equation in the hole of one (C, H, W) image."""
    filled = image.clone()
    solution = solve_exactly(image.permute(1, 2, 0).numpy(), missing.numpy())
    filled[:, missing] = torch.from_numpy(solution.T).float()
    return filled


def holes() -> dict[str, Tensor]:
    """Return one hole of each kind, (H, W)."""
    scratch, spot, box, edge = (torch.zeros(SIDE, SIDE, dtype=torch.bool) for _ in range(4))
    for step in range(200):
        scratch[20 + step, 30 + step // 2 : 33 + step // 2] = True
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    spot[(y - 90) ** 2 + (x - 140) ** 2 < 18**2] = True
    box[81:177, 55:151] = True
    edge[:90, 200:] = True
    return {"scratch": scratch, "spot": spot, "box": box, "edge": edge}


def photographs() -> Tensor:
    """Return (B, 3, 256, 256) squares of photographs."""
    squares = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket()]
    pixels = np.stack([square[20 : 20 + SIDE, 40 : 40 + SIDE] for square in squares])
    return torch.from_numpy(float_from_uint8(pixels))


@pytest.mark.parametrize("kind", holes())
def test_it_repairs_photographs_as_well_as_the_exact_solution(kind: str) -> None:
    images, missing = photographs(), holes()[kind]

    filled = harmonic_fill(images, missing.expand(len(images), 1, SIDE, SIDE))

    def psnr_db(result: Tensor, truth: Tensor) -> float:
        return 10 * math.log10(4 / float((result - truth)[:, missing].square().mean()))

    behind = [
        psnr_db(exact(truth, missing), truth) - psnr_db(result, truth)
        for result, truth in zip(filled, images, strict=True)
    ]
    assert max(map(abs, behind)) < 0.1
    assert filled[..., ~missing].equal(images[..., ~missing])


def test_a_plane_is_continued_exactly_enough() -> None:
    plane = torch.linspace(-1, 1, SIDE).expand(1, 1, SIDE, SIDE)
    missing = holes()["box"][None, None]

    filled = harmonic_fill(plane, missing)

    assert (filled - plane).abs().max() < 0.01


@pytest.mark.parametrize("under", [0.0, 1e30, float("nan"), float("inf")])
def test_what_is_under_the_hole_plays_no_part(rng: np.random.Generator, under: float) -> None:
    image, missing = torch.from_numpy(image_like(rng, 1, SIDE, SIDE)), holes()["box"][None, None]

    other = torch.where(missing, under, image)

    assert harmonic_fill(other, missing).equal(harmonic_fill(image, missing))


def test_without_known_pixels_it_is_zero_and_with_one_it_is_that_one() -> None:
    image = torch.full((1, 3, SIDE, SIDE), 0.5)
    everything = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
    all_but_one = everything.clone()
    all_but_one[..., 7, 200] = False

    assert not harmonic_fill(image, everything).any()
    torch.testing.assert_close(harmonic_fill(image, all_but_one), image)


def test_images_of_a_batch_are_filled_apart(rng: np.random.Generator) -> None:
    images = torch.from_numpy(image_like(rng, 2, SIDE, SIDE))
    missing = torch.stack([holes()["box"], holes()["scratch"]])[:, None]

    both = harmonic_fill(images, missing)

    for one in range(2):
        alone = harmonic_fill(images[one : one + 1], missing[one : one + 1])
        torch.testing.assert_close(both[one : one + 1], alone)
