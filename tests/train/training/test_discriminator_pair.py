"""The discriminators of a run are those that are on, and their losses add up."""

import pytest
import torch
from csakit.train.losses.adversarial import discriminator_loss, generator_loss
from csakit.train.training.config import LossConfig
from csakit.train.training.discriminator_pair import DiscriminatorInputs, DiscriminatorPair


def seen(seed: int) -> DiscriminatorInputs:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, 64, 64, generator=generator)
    return DiscriminatorInputs(image, torch.rand(1, 256, 16, 16, generator=generator))


@pytest.mark.parametrize(("patch", "feature_patch"), [(True, False), (False, True), (True, True)])
def test_the_losses_of_those_that_are_on_are_summed(patch: bool, feature_patch: bool) -> None:
    discriminators = DiscriminatorPair(LossConfig(patch=patch, feature_patch=feature_patch))
    real, fake = seen(0), seen(1)
    scores = []
    if patch:
        assert discriminators.patch is not None
        scores.append([discriminators.patch(one.image).detach() for one in (real, fake)])
    if feature_patch:
        assert discriminators.feature_patch is not None
        scores.append([discriminators.feature_patch(one.features).detach() for one in (real, fake)])

    own = discriminators(real, fake, torch.mean).detach()
    generators = discriminators.generator_loss(real, fake, torch.mean).detach()

    torch.testing.assert_close(own, sum(discriminator_loss(*pair) for pair in scores))
    torch.testing.assert_close(generators, sum(generator_loss(*pair) for pair in scores))
    assert len(scores) == len([*discriminators.children()])


def test_what_is_detached_has_no_gradient() -> None:
    image = torch.rand(1, 3, 64, 64, requires_grad=True)

    assert not DiscriminatorInputs(image, None).detached().image.requires_grad
    features = DiscriminatorInputs(image, 2 * image).detached().features
    assert features is not None
    assert not features.requires_grad
