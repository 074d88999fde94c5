"""Rewritten layers compute what the layers they replace compute."""

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from csakit.export import rewrites
from csakit.train import CSAInpainter
from helpers.exported import calm_model, export_subject
from helpers.features import image_like
from torch import nn

LIMIT = 1e-5  # float32 sums in another order, over at most 4 x 4 x 24 products of about 1


def transposed(inner: int, outer: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    torch.manual_seed(inner + outer)
    return nn.ConvTranspose2d(inner, outer, kernel, stride=stride, padding=1)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2)])
@pytest.mark.parametrize("channels", [(1, 1), (5, 3), (24, 7)])
@pytest.mark.parametrize("sides", [(1, 1), (2, 5), (8, 8)])
def test_a_convolution_computes_what_the_transposed_one_computes(
    kernel: int, stride: int, channels: tuple[int, int], sides: tuple[int, int]
) -> None:
    layer = transposed(*channels, kernel, stride)
    x = torch.randn(2, channels[0], *sides)

    rewritten = rewrites.as_convolution(layer)

    assert not any(isinstance(part, nn.ConvTranspose2d) for part in rewritten.modules())
    torch.testing.assert_close(rewritten(x), layer(x), atol=LIMIT, rtol=LIMIT)


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

    assert (rewritten(image, hole) - small_model(image, hole)).abs().max() <= 1e-4


@pytest.mark.parametrize(("target", "present"), [("generic", True), ("ort", False)])
def test_the_target_decides_whether_an_export_has_transposed_convolutions(
    tmp_path: Path, target: str, *, present: bool
) -> None:
    from csakit.train import checkpoint

    model = calm_model()
    checkpoint.save(model, tmp_path / "model.safetensors")

    subject = export_subject(
        model, tmp_path / "model.safetensors", tmp_path, size=256, max_batch=1, target=target
    )

    kinds = {node.op_type for node in onnx.load(subject.path).graph.node}
    assert ("ConvTranspose" in kinds) is present
