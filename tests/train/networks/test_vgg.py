"""VGG-16 computes torchvision's layers, lets gradients through and never changes."""

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.networks.vgg import VGG16Features, load_vgg, random_weights
from helpers.features import image_like
from torch import Tensor, nn

# configuration D of the paper, as far as relu4_3; M is a maximum over 2x2
CONFIGURATION = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512)
RELU3_3, RELU4_3 = 16, 23  # layers up to and with it, as torchvision counts


@pytest.fixture(scope="module")
def vgg() -> VGG16Features:
    return load_vgg("random")


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.from_numpy(image_like(np.random.default_rng(0), 2, 64, 96))


def plain_vgg(weights: dict[str, Tensor]) -> nn.Sequential:
    """Build it as the paper's table reads, independently of the code under test."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in CONFIGURATION:
        if isinstance(entry, int):
            layers += [nn.Conv2d(channels, entry, kernel_size=3, padding=1), nn.ReLU()]
            channels = entry
        else:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    network = nn.Sequential(*layers)
    network.load_state_dict({k.removeprefix("features."): v for k, v in weights.items()})
    return network


def test_it_computes_the_layers_of_a_plain_vgg16(vgg: VGG16Features, image: Tensor) -> None:
    weights = {name: tensor.clone() for name, tensor in random_weights().items()}
    generator = torch.Generator().manual_seed(1)
    for name in (name for name in weights if name.endswith("bias")):
        weights[name].normal_(0.0, 0.1, generator=generator)
    vgg = VGG16Features(weights, kind="trained", origin="test")
    # as torchvision documents: in [0, 1], less the mean of ImageNet, over its deviation
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (((image + 1) / 2).movedim(1, -1) - mean) / std

    features = vgg(image)

    plain, given = plain_vgg(weights), normalised.movedim(-1, 1)
    torch.testing.assert_close(features.relu3_3, plain[:RELU3_3](given), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.relu4_3, plain[:RELU4_3](given), rtol=1e-4, atol=1e-4)
    assert vgg.relu3_3(image).equal(features.relu3_3)


def test_gradient_flows_through_it_to_the_image(vgg: VGG16Features, image: Tensor) -> None:
    for layer in range(2):
        given = image.clone().requires_grad_()

        torch.autograd.backward(vgg(given)[layer].sum())

        assert given.grad is not None
        assert given.grad.isfinite().all()
        assert (given.grad != 0).float().mean() > 0.9  # maxima drop a few


def test_images_beyond_the_range_are_not_clamped(vgg: VGG16Features, image: Tensor) -> None:
    assert not torch.allclose(vgg(image + 2).relu4_3, vgg((image + 2).clamp(-1, 1)).relu4_3)


def test_it_is_neither_trained_nor_saved(vgg: VGG16Features) -> None:
    assert not list(vgg.parameters())
    assert not vgg.state_dict()
    assert not vgg.training
    assert not any(buffer.requires_grad for buffer in vgg.buffers())


def test_random_weights_say_so_and_are_the_same_always(vgg: VGG16Features, image: Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        again = load_vgg("random")

    assert (vgg.kind, vgg.origin) == ("random", "random, seed 0")
    assert again(image).relu4_3.equal(vgg(image).relu4_3)


def test_random_weights_keep_the_scale_of_features(vgg: VGG16Features, image: Tensor) -> None:
    for layer in vgg(image):
        size = layer.square().mean().sqrt().item()

        # the input's is near 1; maxima raise it; with a wrong gain, factors of 2 ** (10 / 2) appear
        assert 0.5 < size < 4


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 4, 64, 64), (3, 64, 64), (1, 3, 64, 7)])
def test_what_is_no_image_is_refused(vgg: VGG16Features, shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match=r"image must be \(B, 3, H, W\) .* got shape \("):
        vgg(torch.zeros(shape))
