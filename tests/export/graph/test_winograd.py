"""Tiles compute what the convolution computes, to the rounding that they are chosen for."""

import numpy as np
import pytest
import torch
from csakit.export.graph.winograd import WinogradConvolution, transforms
from torch import Tensor, nn

# What the points are chosen for, and a quarter more: with 0, +-1, +-2 it is 4e-5 for (4, 3).
ROUNDING = {(2, 3): 3e-6, (4, 3): 1.2e-5, (2, 4): 6e-6, (4, 4): 3e-5}
each_form = pytest.mark.parametrize(("tile", "taps"), list(ROUNDING))


def layer_of(taps: int, inner: int, outer: int, *, bias: bool = True) -> nn.Conv2d:
    """Create one of the two kinds of the networks: 3x3, or 4x4 that takes every other pixel."""
    torch.manual_seed(inner + outer)
    if taps == 3:
        return nn.Conv2d(inner, outer, 3, padding=1, bias=bias)
    return nn.Conv2d(inner, outer, 4, stride=2, padding=3, dilation=2, bias=bias)


def exact(layer: nn.Conv2d, x: Tensor) -> Tensor:
    weight, bias = layer.weight.double(), layer.bias
    return nn.functional.conv2d(
        x.double(),
        weight,
        None if bias is None else bias.double(),
        layer.stride,
        layer.padding,
        layer.dilation,
    )


@each_form
def test_the_transforms_filter_exactly(tile: int, taps: int, rng: np.random.Generator) -> None:
    inputs, kernel = rng.standard_normal(tile + taps - 1), rng.standard_normal(taps)

    results, kernels, sides = transforms(tile, taps)
    found = results @ ((kernels @ kernel) * (sides @ inputs))

    np.testing.assert_allclose(found, np.correlate(inputs, kernel), atol=1e-13)


@each_form
@pytest.mark.parametrize("sides", [(16, 16), (8, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_tiles_compute_what_the_convolution_computes(
    tile: int, taps: int, sides: tuple[int, int], *, bias: bool
) -> None:
    layer = layer_of(taps, 5, 3, bias=bias)
    x = torch.randn(2, 5, *sides)

    found = WinogradConvolution(layer, tile)(x)

    torch.testing.assert_close(found.double(), exact(layer, x), atol=1e-5, rtol=0)


@each_form
def test_the_rounding_is_what_the_points_are_chosen_for(tile: int, taps: int) -> None:
    layer = layer_of(taps, 256, 32, bias=False)
    x = torch.randn(1, 256, 32, 32).relu()  # as behind an activation

    found, expected = WinogradConvolution(layer, tile)(x).double(), exact(layer, x)

    assert (found - expected).abs().max() <= ROUNDING[tile, taps] * expected.std()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 2, 4, stride=2, padding=1),  # its taps are not where its results are
        nn.Conv2d(2, 2, 3),
        nn.Conv2d(2, 2, 3, padding=2, dilation=2),
    ],
    ids=str,
)
def test_a_form_without_tiles_is_not_computed_wrongly(layer: nn.Conv2d) -> None:
    with pytest.raises(AssertionError, match="no tiles for Conv2d"):
        WinogradConvolution(layer, 2)
