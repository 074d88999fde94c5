"""One training step: networks, optimisers, losses and learning rate. B images, H W sides in pixels.

A step runs the generator once. The discriminators take their step on its result, and then the
generator takes its own, judged by the updated discriminators, as the published training does.
"""

from typing import Any, Final, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...plugins.spec import HOLE_THRESHOLD
from ..losses.consistency import TruthProjection, consistency_loss
from ..losses.features import features_loss
from ..losses.reconstruction import reconstruction_loss, relative_loss
from ..losses.texture import texture_loss
from ..networks.efficientnet import EfficientNetFeatures, load_efficientnet
from ..networks.inpainter import CSAInpainter, RoughStage, Stages
from ..networks.vgg import VGG16Features, load_vgg
from .config import OptimisationConfig, Stage, TrainConfig
from .discriminator_pair import DiscriminatorInputs
from .initialisation import new_discriminators, new_network
from .processes import mean_over_processes

_WEIGHTED: Final = ("reconstruction", "consistency", "adversarial", "texture", "features")


class Truth(NamedTuple):
    """A batch, and VGG-16's features of it; None where no loss needs them."""

    image: Tensor  # (B, 3, H, W) in [-1, 1]
    hole: Tensor  # (B, 1, H, W), 1 where pixels are missing
    relu3_3: Tensor | None
    relu4_3: Tensor | None  # (B, 8w, H/8, W/8), projected to the network's channels


class StagesModule(nn.Module):
    """Wraps a network so that ``forward``, the method that Fabric hooks, returns all stages."""

    def __init__(self, network: CSAInpainter, stage: Stage) -> None:
        super().__init__()
        self.network = network
        self._stage = stage
        if stage == "rough":
            network.refinement.requires_grad_(False)

    def forward(self, image: Tensor, hole: Tensor) -> Stages | RoughStage:
        """Inpaint a batch; see ``CSAInpainter.stages`` and ``rough_stage``."""
        if self._stage == "rough":
            return self.network.rough_stage(image, hole)
        return self.network.stages(image, hole)


class TrainStep:
    """The networks, losses and optimisers of a run; ``run`` takes one step.

    ``optimisers`` have the names of a saved state. ``discriminators``, ``average`` and ``vgg`` are
    None if not needed.
    """

    def __init__(self, config: TrainConfig, fabric: Fabric) -> None:
        self.config = config
        self._fabric = fabric
        self.network = new_network(config)
        self.discriminators = new_discriminators(config)
        self.vgg: VGG16Features | None = None
        self._projection: TruthProjection | None = None
        if config.losses.needs_vgg:
            self.vgg = load_vgg(config.losses.vgg).to(fabric.device)
        if config.losses.consistency > 0:
            self._projection = TruthProjection(8 * config.model.width).to(fabric.device)
        self._features: EfficientNetFeatures | None = None
        if config.losses.features > 0:
            self._features = load_efficientnet().to(fabric.device)
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self._generator = self._set_up(
            "generator", StagesModule(self.network, config.optimisation.stage)
        )
        if self.discriminators is not None:
            self._wrapped_discriminators = self._set_up("critics", self.discriminators)
        self.average: AveragedModel | None = None
        if (decay := config.optimisation.ema) is not None:
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=average)

    @property
    def result(self) -> CSAInpainter:
        """The network to save: the moving average if there is one."""
        if self.average is None:
            return self.network
        network = self.average.module
        assert isinstance(network, CSAInpainter)
        return network

    def run(self, image: Tensor, hole: Tensor, number: int) -> dict[str, Tensor]:
        """Take step ``number``, from 0, of discriminators and generator; return the losses by name.

        ``image`` is (B, 3, H, W) in [-1, 1], ``hole`` (B, 1, H, W), both on the device. The losses
        of this process are detached scalars: each unweighted, and "total", the generator's.
        """
        rate = learning_rate(self.config.optimisation, number)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        stages: Stages | RoughStage = self._generator(image, hole)
        truth = self._truth(image, hole)
        losses = {}
        if self.discriminators is not None:
            assert isinstance(stages, Stages)
            real = DiscriminatorInputs(image, truth.relu3_3)
            fake = self._discriminator_inputs(stages, truth)
            losses["discriminators"] = self._discriminator_step(real, fake.detached())
            with self._fabric.autocast():
                losses["adversarial"] = self.discriminators.generator_loss(
                    real, fake, mean_over_processes
                )
        losses |= self._distances(stages, truth, number)
        losses["total"] = self._generator_step(losses)
        if self.average is not None:
            self.average.update_parameters(self.network)
        return {name: loss.detach() for name, loss in losses.items()}

    def _set_up(self, name: str, module: nn.Module) -> Any:  # noqa: ANN401
        options = self.config.optimisation
        optimiser = torch.optim.Adam(
            [parameter for parameter in module.parameters() if parameter.requires_grad],
            lr=options.learning_rate,
            betas=options.betas,
            eps=options.epsilon,
            fused=True,  # a third of the time, on a CPU too
        )
        wrapped, self.optimisers[name] = self._fabric.setup(module, optimiser)
        return wrapped.train()

    def _truth(self, image: Tensor, hole: Tensor) -> Truth:
        """Compute the features of the truth that the losses need, without gradient."""
        if self.vgg is None:
            return Truth(image, hole, None, None)
        with torch.no_grad(), self._fabric.autocast():
            if self._projection is None:
                return Truth(image, hole, self.vgg.relu3_3(image), None)
            features = self.vgg(image)
            return Truth(image, hole, features.relu3_3, self._projection(features.relu4_3))

    def _discriminator_inputs(self, stages: Stages, truth: Truth) -> DiscriminatorInputs:
        """Return the discriminators' inputs for a result, with gradient."""
        judged = stages.refined
        if self.config.losses.judged == "composite":
            judged = torch.where(truth.hole > HOLE_THRESHOLD, judged, truth.image)
        if not self.config.losses.feature_patch:
            return DiscriminatorInputs(judged, None)
        assert self.vgg is not None
        with self._fabric.autocast():
            return DiscriminatorInputs(judged, self.vgg.relu3_3(judged))

    def _discriminator_step(self, real: DiscriminatorInputs, fake: DiscriminatorInputs) -> Tensor:
        loss: Tensor = self._wrapped_discriminators(real, fake, mean_over_processes)
        optimiser = self.optimisers["critics"]
        optimiser.zero_grad(set_to_none=True)
        self._fabric.backward(loss)
        optimiser.step()
        return loss

    def _generator_step(self, losses: dict[str, Tensor]) -> Tensor:
        weights = self.config.losses
        on = [getattr(weights, name) * losses[name] for name in _WEIGHTED if name in losses]
        total = torch.stack(on).sum()
        optimiser = self.optimisers["generator"]
        optimiser.zero_grad(set_to_none=True)
        self._fabric.backward(total)
        if (clip := self.config.optimisation.clip) is not None:
            norm = self._fabric.clip_gradients(
                self._generator, optimiser, max_norm=clip, error_if_nonfinite=False
            )
            assert norm is not None
            losses["gradient_norm"] = norm  # before it was clipped; not finite stops the run
        optimiser.step()
        return total

    def _distances(
        self, stages: Stages | RoughStage, truth: Truth, number: int
    ) -> dict[str, Tensor]:
        """Compute the losses that compare a result with its truth."""
        losses = {}
        if self.config.losses.reconstruction > 0:
            losses["reconstruction"] = self._reconstruction(stages, truth)
        if isinstance(stages, RoughStage):
            return losses
        if truth.relu4_3 is not None:
            losses["consistency"] = consistency_loss(
                stages.attended, stages.decoded, truth.relu4_3, stages.feature_hole
            )
        images = stages.refined, truth.image, truth.hole
        if self.config.losses.texture > 0:
            losses["texture"] = texture_loss(*images, self._random(number))
        if self._features is not None:
            losses["features"] = features_loss(*images, self._features)
        return losses

    def _random(self, number: int) -> torch.Generator:
        """Return a step's random generator, the same after a resume, another in each process."""
        rank, world = self._fabric.global_rank, self._fabric.world_size
        seed = self.config.optimisation.seed * 1_000_003 + number * world + rank
        return torch.Generator().manual_seed(seed % (1 << 63))

    def _reconstruction(self, stages: Stages | RoughStage, truth: Truth) -> Tensor:
        config = self.config.losses
        weight = torch.where(truth.hole > HOLE_THRESHOLD, 1.0, config.known_weight)

        def measure(image: Tensor) -> Tensor:
            if config.error == "relative":
                return relative_loss(image, truth.image, stages.filled, truth.hole)
            # scaling an error before its absolute value is taken weights it
            return reconstruction_loss(truth.image.lerp(image, weight), truth.image)

        if isinstance(stages, RoughStage):
            return measure(stages.rough)
        return config.rough_weight * measure(stages.rough) + measure(stages.refined)


def learning_rate(config: OptimisationConfig, step: int) -> float:
    """Return the rate of step t of n, from 0: constant up to step d, then times (n - t)/(n - d)."""
    start = config.decay_from * config.steps
    if step < start or start >= config.steps:
        return config.learning_rate
    return config.learning_rate * (config.steps - step) / (config.steps - start)
