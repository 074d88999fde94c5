"""The two U-Nets have the published structure, at every width."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from csakit.train import CSAInpainter, ModelConfig
from csakit.train.config import ATTENTIONS, Attention
from csakit.train.masks import centre_hole
from csakit.train.networks.generators import (
    ATTENTION_LEVEL,
    INIT_STD,
    RefinementNetwork,
    RoughNetwork,
)
from csakit.train.networks.inpainter import ConvAttention
from helpers.features import image_like
from helpers.models import make_model
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

ROUGH_PARAMETERS = 54_419_459  # counted in the published code at width 64
REFINEMENT_PARAMETERS = 77_692_291


def on_meta(width: int, attention: Attention = "csa") -> CSAInpainter:
    """Build a network without memory for its weights."""
    with torch.device("meta"):
        return CSAInpainter(ModelConfig(width=width, attention=attention))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def image(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(image_like(rng, 1, 256, 256))


@pytest.fixture
def hole() -> Tensor:
    return torch.from_numpy(centre_hole(256, 256))[None, None].float()


class Recorder(TorchFunctionMode):
    """Records the results of ``leaky_relu`` and the arguments of ``cat``."""

    def __init__(self) -> None:
        super().__init__()
        self.activated: list[Tensor] = []
        self.joined: list[Sequence[Tensor]] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        result = function(*args, **(kwargs or {}))
        if function is F.leaky_relu:
            self.activated.append(result)
        elif function is torch.cat:
            self.joined.append(args[0])
        return result


def test_the_published_width_has_the_published_number_of_parameters() -> None:
    model = on_meta(64)

    assert parameters(model.rough) == ROUGH_PARAMETERS
    assert parameters(model.refinement) == REFINEMENT_PARAMETERS


def test_every_hidden_channel_count_is_proportional_to_the_width() -> None:
    narrow, wide = (dict(on_meta(width).named_parameters()) for width in (4, 8))

    assert narrow.keys() == wide.keys()
    for name, parameter in narrow.items():
        pairs = zip(parameter.shape, wide[name].shape, strict=True)
        for axis, (side, wider) in enumerate(pairs):
            outside = axis > 1 or side in {3, 6}  # kernel sizes, and channels of images
            assert wider == (side if outside else 2 * side), name


@pytest.mark.parametrize(("height", "width"), [(256, 256), (256, 512)])
def test_the_stages_have_their_shapes(
    small_model: CSAInpainter, rng: np.random.Generator, height: int, width: int
) -> None:
    image = torch.from_numpy(image_like(rng, 1, height, width))
    hole = torch.zeros(1, 1, height, width)
    hole[..., 60:190, 60:190] = 1.0

    stages = small_model.stages(image, hole)

    assert {name: tuple(stage.shape) for name, stage in stages._asdict().items()} == {
        "filled": (1, 3, height, width),
        "rough": (1, 3, height, width),
        "feature_hole": (1, 1, height // 8, width // 8),
        "features": (1, 32, height // 8, width // 8),
        "attended": (1, 32, height // 8, width // 8),
        "decoded": (1, 32, height // 8, width // 8),
        "refined": (1, 3, height, width),
        "result": (1, 3, height, width),
    }
    assert all(stage.isfinite().all() for stage in stages)


def test_the_skips_carry_activated_tensors(small_model: CSAInpainter, image: Tensor) -> None:
    with Recorder() as rough:
        small_model.rough(image)
    with Recorder() as refinement:
        small_model.refinement(torch.cat([image, image], dim=1), torch.zeros(1, 1, 32, 32))

    assert len(rough.joined) == 7
    assert len(refinement.joined) == 1 + 1 + 7  # the input of the network, its innermost level
    for recorder, joints in ((rough, rough.joined), (refinement, refinement.joined[1:])):
        for decoded, skipped in joints:
            assert any(skipped is tensor for tensor in recorder.activated)
            assert decoded.shape == skipped.shape


def test_only_the_rough_network_ends_in_a_tanh(image: Tensor) -> None:
    model = make_model()
    last = model.rough.levels[0].up
    with torch.no_grad():
        for layer in (last, model.refinement.leave):
            layer.weight.zero_()
            assert layer.bias is not None
            layer.bias.fill_(5.0)

        stages = model.stages(image, torch.zeros(1, 1, 256, 256))

    torch.testing.assert_close(stages.rough, torch.full_like(image, 5.0).tanh())
    torch.testing.assert_close(stages.refined, torch.full_like(image, 5.0))


def test_the_attention_sits_at_an_eighth_of_the_size_before_a_norm(
    small_model: CSAInpainter, image: Tensor, hole: Tensor
) -> None:
    seen: dict[str, Tensor] = {}
    level = small_model.refinement.levels[ATTENTION_LEVEL]
    hooks = [
        level.widen.register_forward_hook(lambda _, __, out: seen.update(widened=out)),
        level.widen_norm.register_forward_hook(lambda _, given, __: seen.update(normed=given[0])),
    ]

    stages = small_model.stages(image, hole)

    for hook in hooks:
        hook.remove()
    assert seen["widened"] is stages.features
    assert seen["normed"] is stages.attended
    assert not stages.attended.equal(stages.features)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_kind_of_attention_builds_and_runs(
    image: Tensor, hole: Tensor, attention: Attention
) -> None:
    model = make_model(ModelConfig(width=4, attention=attention)).requires_grad_(False)

    stages = model.stages(image, hole)

    changed = (stages.attended != stages.features).any(dim=1, keepdim=True)
    expected = {
        "csa": stages.feature_hole > 0,  # holes and nothing else
        "conv": torch.ones_like(changed),
        "none": torch.zeros_like(changed),
    }
    assert changed.equal(expected[attention])
    assert stages.result.isfinite().all()


def test_the_convolution_in_place_of_csa_has_its_parameters() -> None:
    channels = 8 * 64

    extra = parameters(on_meta(64, "conv")) - parameters(on_meta(64, "csa"))

    assert extra == channels * channels * 9 + channels
    assert parameters(on_meta(64, "none")) == parameters(on_meta(64, "csa"))


@pytest.mark.parametrize(
    "build",
    [RoughNetwork, lambda width: RefinementNetwork(width, nn.Identity()), ConvAttention],
)
def test_convolutions_start_as_the_published_training_does(
    build: Callable[[int], nn.Module],
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(8)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            spread = INIT_STD * (1 + 4 / module.weight.numel() ** 0.5)  # four standard errors
            assert 2 * INIT_STD - spread < module.weight.std().item() < spread
            assert module.bias is not None
            assert not module.bias.any()


def test_training_computes_what_inference_computes(image: Tensor, hole: Tensor) -> None:
    model = make_model(ModelConfig(width=3))

    in_training = model.train().stages(image, hole)
    in_inference = model.eval().stages(image, hole)

    torch.testing.assert_close(in_training.refined, in_inference.refined, rtol=0, atol=2e-5)
