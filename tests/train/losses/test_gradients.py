"""Each loss's gradient reaches the parameters it should, and no others.

One small network, random VGG features and both discriminators, as a training step has them.
"""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from csakit.train import CSAInpainter, ModelConfig, Stages
from csakit.train.losses.adversarial import discriminator_loss, generator_loss
from csakit.train.losses.consistency import TruthProjection, consistency_loss
from csakit.train.losses.reconstruction import reconstruction_loss
from csakit.train.networks.discriminators import (
    FeaturePatchDiscriminator,
    PatchDiscriminator,
    score_frozen,
)
from csakit.train.networks.generators import ATTENTION_LEVEL
from csakit.train.networks.vgg import Features, load_vgg
from helpers.features import image_like
from helpers.models import make_model
from torch import Tensor, nn

WIDTH = 2
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
LEVELS = [f"refinement.levels.{level}" for level in range(ATTENTION_LEVEL + 1)]
# What computes the attention's input: the rough network and three levels.
ENCODER = (
    *("rough.", "refinement.enter."),
    *(f"{level}.{part}." for level in LEVELS for part in ("shrink", "shrink_norm", "widen")),
    *(f"{level}.widen_norm." for level in LEVELS[:-1]),
)
# What comes after the decoder's features of the attention's size.
OUTER_DECODER = (
    "refinement.leave.",
    *(f"{level}.{part}" for level in LEVELS for part in ("narrow", "grow")),
)


@dataclasses.dataclass(frozen=True)
class Step:
    """Everything that a training step computes before its losses."""

    model: CSAInpainter
    patch: PatchDiscriminator
    feature: FeaturePatchDiscriminator
    image: Tensor
    stages: Stages
    truth: Features
    seen: Tensor

    def reached(self, loss: Tensor) -> set[str]:
        """Return the parameters that the loss gives a gradient."""
        parts = {"model": self.model, "patch": self.patch, "feature": self.feature}
        for module in parts.values():
            module.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, retain_graph=True)
        return {
            f"{part}.{name}"
            for part, module in parts.items()
            for name, parameter in module.named_parameters()
            if parameter.grad is not None and parameter.grad.any()
        }


@pytest.fixture(scope="module")
def step() -> Step:
    model = make_model(ModelConfig(width=WIDTH)).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch, feature = PatchDiscriminator(2), FeaturePatchDiscriminator(2)
    vgg = load_vgg("random")
    image = torch.from_numpy(image_like(np.random.default_rng(0), 1, 256, 256))
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 68:188, 68:188] = 1.0
    stages = model.stages(image, hole)
    with torch.no_grad():
        truth = vgg(image)
    seen = vgg.relu3_3(stages.refined)
    return Step(model, patch, feature, image, stages, truth, seen)


def parameters(module: nn.Module, part: str, prefixes: str | tuple[str, ...] = "") -> set[str]:
    names = (name for name, _ in module.named_parameters())
    return {f"{part}.{name}" for name in names if name.startswith(prefixes)}


def assert_reaches(step: Step, loss: Tensor, expected: set[str]) -> None:
    """Compare but for biases that cannot matter, whose gradient is nothing but rounding."""
    rounding = before_a_norm(step.model, "model") | before_a_norm(step.patch, "patch")
    rounding |= before_a_norm(step.feature, "feature")
    rounding |= {"patch.layers.11.bias"}  # moves all scores alike, and only differences count
    assert step.reached(loss) - rounding == expected - rounding


def before_a_norm(module: nn.Module, part: str) -> set[str]:
    """Return the biases of convolutions that a norm follows, which removes them."""
    modules = dict(module.named_modules())
    norms = {name for name, m in modules.items() if isinstance(m, nn.InstanceNorm2d)}
    before = {name.removesuffix("_norm") for name in norms if name.endswith("_norm")}
    before |= {a for a, b in itertools.pairwise(modules) if b in norms and a.startswith("layers.")}
    return {f"{part}.{name}.bias" for name in before if isinstance(modules[name], CONVOLUTIONS)}


def consistency(step: Step, *, of_attended: bool = True, of_decoded: bool = True) -> Tensor:
    truth = TruthProjection(8 * WIDTH)(step.truth.relu4_3)
    attended = step.stages.attended if of_attended else step.stages.attended.detach()
    decoded = step.stages.decoded if of_decoded else step.stages.decoded.detach()
    return consistency_loss(attended, decoded, truth, step.stages.feature_hole)


def test_the_reconstruction_loss_reaches_both_networks(step: Step) -> None:
    loss = sum(
        reconstruction_loss(image, step.image) for image in (step.stages.rough, step.stages.refined)
    )

    assert_reaches(step, loss, parameters(step.model, "model"))


def test_the_consistency_loss_of_the_attention_reaches_what_feeds_it(step: Step) -> None:
    expected = parameters(step.model, "model", ENCODER)

    assert_reaches(step, consistency(step, of_decoded=False), expected)


def test_the_consistency_loss_of_the_decoder_reaches_all_but_the_outer_decoder(
    step: Step,
) -> None:
    outer = parameters(step.model, "model", OUTER_DECODER)
    expected = parameters(step.model, "model") - outer

    assert_reaches(step, consistency(step, of_attended=False), expected)
    assert_reaches(step, consistency(step), expected)


@pytest.mark.parametrize(
    "scored",
    [
        lambda step: (
            score_frozen(step.patch, step.image),
            score_frozen(step.patch, step.stages.refined),
        ),
        lambda step: (
            score_frozen(step.feature, step.truth.relu3_3),
            score_frozen(step.feature, step.seen),
        ),
    ],
    ids=["patch", "feature"],
)
def test_the_generator_losses_reach_both_networks_and_no_discriminator(
    step: Step, scored: Callable[[Step], tuple[Tensor, Tensor]]
) -> None:
    assert_reaches(step, generator_loss(*scored(step)), parameters(step.model, "model"))


def test_the_discriminator_losses_reach_one_discriminator_each(step: Step) -> None:
    real, fake = step.patch(step.image), step.patch(step.stages.refined.detach())
    assert_reaches(step, discriminator_loss(real, fake), parameters(step.patch, "patch"))

    real, fake = step.feature(step.truth.relu3_3), step.feature(step.seen.detach())
    assert_reaches(step, discriminator_loss(real, fake), parameters(step.feature, "feature"))


def test_an_optimiser_step_lowers_the_consistency_loss(step: Step) -> None:
    """The pin against the published code, whose consistency loss moves nothing."""
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 68:188, 68:188] = 1.0
    truth = TruthProjection(8 * WIDTH)(step.truth.relu4_3)

    def loss(model: CSAInpainter) -> Tensor:
        stages = model.stages(step.image, hole)
        return consistency_loss(stages.attended, stages.decoded, truth, stages.feature_hole)

    model = make_model(ModelConfig(width=WIDTH)).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.5, 0.999))
    before = loss(model)
    torch.autograd.backward(before)
    optimiser.step()

    assert loss(model).item() < before.item()
