"""Rewritten layers compute what the layers they replace compute."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from csakit.export.config import ExportConfig
from csakit.export.exporter import ExportWrapper
from csakit.export.graph import rewrites
from csakit.export.graph.winograd import WinogradConvolution
from csakit.runtime.contract import Precision
from csakit.train import CSAInpainter
from helpers.exported import Subject, calm_model
from helpers.features import image_like
from helpers.slow import slow
from torch import nn

from ..conftest import Export

LIMIT = 1e-5  # float32 sums in another order, over at most 4 x 4 x 24 products of about 1
NETWORK_LIMIT = 1e-4  # what every float32 export must keep; random weights amplify rounding


def transposed(inner: int, outer: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    torch.manual_seed(inner + outer)
    return nn.ConvTranspose2d(inner, outer, kernel, stride=stride, padding=1)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2)])
@pytest.mark.parametrize("channels", [(1, 1), (5, 3), (24, 7)])
@pytest.mark.parametrize("sides", [(2, 2), (2, 6), (8, 8)])
def test_a_convolution_computes_what_the_transposed_one_computes(
    kernel: int, stride: int, channels: tuple[int, int], sides: tuple[int, int]
) -> None:
    layer = transposed(*channels, kernel, stride)
    x = torch.randn(2, channels[0], *sides)

    rewritten = rewrites.as_convolution(layer)

    assert not any(isinstance(part, nn.ConvTranspose2d) for part in rewritten.modules())
    torch.testing.assert_close(rewritten(x), layer(x), atol=LIMIT, rtol=LIMIT)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2)])
def test_few_channels_are_computed_as_blocks_that_fill_the_vectors(
    kernel: int, stride: int
) -> None:
    few, more = transposed(8, 4, kernel, stride), transposed(8, 5, kernel, stride)

    blocks, plain = (rewrites.as_convolution(layer) for layer in (few, more))

    found = [part.out_channels for part in blocks.modules() if isinstance(part, nn.Conv2d)]
    assert found == [16]
    assert not any(isinstance(part, nn.PixelShuffle) for part in plain.modules())
    assert not hasattr(plain, "blocks")


@pytest.mark.parametrize("kernel", [3, 4])
def test_a_pixel_of_a_one_pixel_image_is_right(kernel: int) -> None:
    layer = transposed(3, 7, kernel, kernel - 2)  # many channels: blocks need even sides
    x = torch.randn(2, 3, 1, 1)

    torch.testing.assert_close(rewrites.as_convolution(layer)(x), layer(x), atol=LIMIT, rtol=LIMIT)


def test_a_form_that_no_network_has_is_not_rewritten_wrongly() -> None:
    layer = nn.ConvTranspose2d(2, 2, kernel_size=2, stride=2)

    with pytest.raises(AssertionError, match="no rewrite for ConvTranspose2d"):
        rewrites.as_convolution(layer)


def test_a_rewritten_network_computes_the_same_image(
    small_model: CSAInpainter, rng: np.random.Generator
) -> None:
    image = torch.from_numpy(image_like(rng, 1, 256, 256))
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 68:188, 68:188] = 1

    rewritten = copy.deepcopy(small_model)
    rewrites.for_onnxruntime(rewritten)

    assert (rewritten(image, hole) - small_model(image, hole)).abs().max() <= NETWORK_LIMIT


def test_a_network_in_tiles_computes_the_same_image(
    small_model: CSAInpainter, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.from_numpy(image_like(rng, 1, 256, 512))
    hole = torch.zeros(1, 1, 256, 512)
    hole[..., 68:188, 68:188] = 1
    monkeypatch.setattr(rewrites, "_WORTH", 0)  # every level, narrow as it is

    tiled = copy.deepcopy(small_model)
    rewrites.for_onnxruntime(tiled)
    rewrites.in_tiles(tiled)

    kinds = [type(part) for part in tiled.modules()]
    assert kinds.count(WinogradConvolution) == 11  # three of each level; one gives blocks
    assert (tiled(image, hole) - small_model(image, hole)).abs().max() <= NETWORK_LIMIT


def test_tiles_are_for_the_large_layers_of_the_published_width() -> None:
    with torch.device("meta"):
        layers = {
            f"{kind} {inner}-{outer}": nn.Conv2d(inner, outer, side)
            for kind, side, inner, outer in (
                ("shrink", 4, 64, 64),
                ("shrink", 4, 128, 128),
                ("widen", 3, 128, 256),
                ("widen", 3, 256, 512),
                ("narrow", 3, 256, 64),
                ("narrow", 3, 512, 128),
            )
        }

    worth = {name for name, layer in layers.items() if rewrites._is_worth_tiles(layer)}

    assert worth == {"shrink 128-128", "widen 256-512", "narrow 512-128"}


def test_the_target_decides_whether_an_export_has_transposed_convolutions(
    fixed: Subject, for_ort: Subject
) -> None:
    kinds, others = (
        {node.op_type for node in subject.proto.graph.node} for subject in (fixed, for_ort)
    )

    assert "ConvTranspose" in kinds
    assert "ConvTranspose" not in others


@pytest.mark.parametrize(("precision", "tiled"), [("fp32", True), ("fp16", False)])
def test_half_precision_is_not_computed_in_tiles(
    small_model: CSAInpainter, precision: Precision, monkeypatch: pytest.MonkeyPatch, *, tiled: bool
) -> None:
    monkeypatch.setattr(rewrites, "_WORTH", 0)

    wrapper = ExportWrapper(small_model, ExportConfig(precision=precision, target="ort"))

    found = any(isinstance(part, WinogradConvolution) for part in wrapper.modules())
    assert found is tiled
    assert not any(isinstance(part, WinogradConvolution) for part in small_model.modules())


@slow
def test_an_export_in_tiles_takes_any_batch_and_size(
    calm_checkpoint: Path,
    export: Export,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rewrites, "_WORTH", 0)
    image = image_like(rng, 2, 256, 512)
    hole = np.zeros((2, 1, 256, 512), np.float32)
    hole[0, :, 68:188, 68:188] = hole[1, :, 20:60, 300:500] = 1

    subject = export(calm_model(), calm_checkpoint, target="ort")

    found = subject.run(image, hole)
    assert np.abs(found - subject.expected(image, hole)).max() <= NETWORK_LIMIT
    products = [node for node in subject.proto.graph.node if node.op_type == "MatMul"]
    assert len(products) == 22  # of each convolution in tiles: the products, and the results
