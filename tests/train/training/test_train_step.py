"""One step trains what it should with the losses that are on, and nothing else."""

from typing import Any, Final

import pytest
import torch
from csakit.train.losses.reconstruction import reconstruction_loss, relative_loss
from csakit.train.masks import centre_hole
from csakit.train.networks.inpainter import CSAInpainter
from csakit.train.training.config import OptimisationConfig
from csakit.train.training.train_step import learning_rate
from helpers.training import train_step_of
from torch import Tensor

IMAGE = torch.linspace(-1, 1, 256).expand(1, 3, 256, 256).contiguous()
HOLE = torch.from_numpy(centre_hole(256, 256))[None, None].float()


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module: torch.nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not tensor.equal(before[name])}


@pytest.mark.parametrize(
    ("values", "losses"),
    [
        ({"adversarial": 0.0}, {"reconstruction"}),
        ({}, {"reconstruction", "adversarial", "discriminators"}),
        ({"reconstruction": 0.0}, {"adversarial", "discriminators"}),
        ({"patch": False}, {"reconstruction"}),
        ({"adversarial": 0.0, "texture": 1.0}, {"reconstruction", "texture"}),
        ({"adversarial": 0.0, "clip": 1.0}, {"reconstruction", "gradient_norm"}),
    ],
)
def test_the_losses_that_are_on_are_computed(values: dict[str, Any], losses: set[str]) -> None:
    train_step = train_step_of(**values)

    computed = train_step.run(IMAGE, HOLE, 0)

    assert set(computed) == losses | {"total"}
    assert all(loss.isfinite() and not loss.requires_grad for loss in computed.values())


def test_with_all_losses_the_whole_network_and_both_discriminators_learn() -> None:
    train_step = train_step_of(vgg="random", consistency=0.01, feature_patch=True)
    assert train_step.discriminators is not None
    learning = [(m, weights(m)) for m in (train_step.network, train_step.discriminators)]

    losses = train_step.run(IMAGE, HOLE, 0)

    for module, before in learning:
        kernels = {name for name in before if name.endswith("weight")}
        assert kernels <= changed(module, before)  # a bias before a norm has no gradient
    assert train_step.vgg is not None
    assert train_step.vgg.kind == "random"
    factors = {"reconstruction": 1, "consistency": 0.01, "adversarial": 0.002}
    weighted = sum(factor * float(losses[name]) for name, factor in factors.items())
    assert float(losses["total"]) == pytest.approx(weighted, rel=1e-6)  # float32 sums


def test_the_generators_step_leaves_no_gradient_in_the_discriminators() -> None:
    train_step = train_step_of()
    assert train_step.discriminators is not None
    of_own_step: list[Tensor] = []
    optimiser = train_step.optimisers["critics"]
    optimiser.register_step_post_hook(
        lambda *_: of_own_step.extend(
            p.grad.clone() for p in train_step.discriminators.parameters()
        )
    )

    train_step.run(IMAGE, HOLE, 0)

    after = [parameter.grad for parameter in train_step.discriminators.parameters()]
    assert len(of_own_step) == len(after) > 0
    assert all(
        now is not None and now.equal(then) for now, then in zip(after, of_own_step, strict=True)
    )


def test_known_pixels_weigh_as_much_as_is_asked_for() -> None:
    def reconstruction(weight: float) -> float:
        train_step = train_step_of(adversarial=0.0, known_weight=weight)
        return float(train_step.run(IMAGE, HOLE, 0)["reconstruction"])

    network = train_step_of(adversarial=0.0).network
    with torch.no_grad():
        stages = network.stages(IMAGE, HOLE)
        rough, refined = (reconstruction_loss(one, IMAGE) for one in (stages.rough, stages.refined))
        whole = float(rough + refined)
    in_hole, half = reconstruction(0.0), reconstruction(0.5)

    assert reconstruction(1.0) == pytest.approx(whole, rel=1e-6)
    assert half == pytest.approx((in_hole + whole) / 2, rel=1e-5)  # linear in the weight
    assert 0 < in_hole < whole


RESIDUAL: Final = {
    **{"fill": "interpolated", "prediction": "residual", "error": "relative"},
    **{"adversarial": 0.0},
}


def test_a_relative_error_is_measured_against_the_fill() -> None:
    train_step = train_step_of(**RESIDUAL, rough_weight=0.5)
    with torch.no_grad():
        stages = train_step.network.stages(IMAGE, HOLE)
        rough, refined = (
            float(relative_loss(one, IMAGE, stages.filled, HOLE))
            for one in (stages.rough, stages.refined)
        )

    losses = train_step.run(IMAGE, HOLE, 0)

    assert float(losses["reconstruction"]) == pytest.approx(0.5 * rough + refined, rel=1e-5)


def test_the_rough_stage_trains_the_rough_network_alone() -> None:
    train_step = train_step_of(**RESIDUAL, stage="rough")
    before = weights(train_step.network)

    train_step.run(IMAGE, HOLE, 0)

    moved = {name.partition(".")[0] for name in changed(train_step.network, before)}
    assert moved == {"rough"}


def test_a_composite_shows_the_discriminators_errors_of_the_hole_only() -> None:
    train_step = train_step_of(reconstruction=0.0, judged="composite")
    seen: list[Tensor] = []
    assert train_step.discriminators is not None
    assert train_step.discriminators.patch is not None
    train_step.discriminators.patch.register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )

    train_step.run(IMAGE, HOLE, 0)

    real, fake = seen[:2]
    assert real.equal(IMAGE)
    assert fake[:, :, 0, 0].equal(IMAGE[:, :, 0, 0])
    assert ((fake != IMAGE).any(dim=1, keepdim=True) <= (HOLE > 0)).all()
    assert (fake != IMAGE).any()


def test_gradients_longer_than_the_limit_are_scaled_down_to_it() -> None:
    train_step = train_step_of(adversarial=0.0, clip=1e-3)

    norm = float(train_step.run(IMAGE, HOLE, 0)["gradient_norm"])

    parts = [p.grad.norm() for p in train_step.network.parameters() if p.grad is not None]
    assert norm > 1e-3
    assert float(torch.stack(parts).norm()) == pytest.approx(1e-3, rel=1e-4)


def test_the_average_follows_the_weights_with_its_decay() -> None:
    train_step = train_step_of(adversarial=0.0, ema=0.75, learning_rate=1e-2)
    weight = train_step.network.rough.levels[0].down.weight
    train_step.run(IMAGE, HOLE, 0)
    first = weight.detach().clone()
    train_step.run(IMAGE, HOLE, 1)
    second = weight.detach().clone()

    average = train_step.result.rough.levels[0].down.weight

    assert not first.equal(second)
    torch.testing.assert_close(average, 0.75 * first + 0.25 * second)  # starts at the first
    assert train_step.result is not train_step.network


def test_the_learning_rate_is_that_of_the_step() -> None:
    train_step = train_step_of(steps=4, decay_from=0.0, learning_rate=1.0e-4)

    train_step.run(IMAGE, HOLE, 3)

    rates = {g["lr"] for o in train_step.optimisers.values() for g in o.param_groups}
    assert rates == {0.25e-4}


def test_the_same_seed_gives_the_same_networks_and_draws_nothing_from_torch() -> None:
    before = torch.get_rng_state()

    first, second, other = train_step_of(seed=3), train_step_of(seed=3), train_step_of(seed=4)

    assert torch.get_rng_state().equal(before)
    assert not changed(first.network, weights(second.network))
    assert changed(first.network, weights(other.network))
    assert first.discriminators is not None
    assert second.discriminators is not None
    assert not changed(first.discriminators, weights(second.discriminators))
    assert isinstance(first.result, CSAInpainter)


def test_convolutions_in_bfloat16_leave_weights_and_losses_in_float32() -> None:
    train_step = train_step_of(precision="bf16-mixed")

    losses = train_step.run(IMAGE, HOLE, 0)

    exact = train_step_of().run(IMAGE, HOLE, 0)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert {p.dtype for p in train_step.network.parameters()} == {torch.float32}
    assert losses["reconstruction"] != exact["reconstruction"]
    # bfloat16 keeps 8 bits: 0.4 % for each of a dozen layers
    assert losses["reconstruction"] == pytest.approx(float(exact["reconstruction"]), rel=0.05)


def test_the_rate_is_constant_and_then_falls_by_equal_parts_to_nothing() -> None:
    config = OptimisationConfig(steps=8, learning_rate=1.0, decay_from=0.5)

    rates = [learning_rate(config, step) for step in range(9)]

    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize(("decay_from", "last"), [(1.0, 1.0), (0.0, 0.25)])
def test_the_decay_may_be_the_whole_run_or_none_of_it(decay_from: float, last: float) -> None:
    config = OptimisationConfig(steps=4, learning_rate=1.0, decay_from=decay_from)

    assert learning_rate(config, 0) == 1.0
    assert learning_rate(config, 3) == last
