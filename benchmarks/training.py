"""Cost of the attention in training: interleaved optimiser steps with CSA and without.

The step is the cheapest, L1 and Adam: other losses would hide the share of CSA. Wall time
decides; processor time is reported to separate noise from cost. Letters: B images, H W in pixels.
"""

import statistics
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from ..plugins.errors import ContractError, EngineError
from ..train import CSAInpainter, ModelConfig
from ..train.losses.reconstruction import reconstruction_loss
from ..train.masks import centre_hole
from .stats import interleaved, median_ratio
from .targets import Target

WIDTH: Final = 64  # the published network
ROUNDS: Final = 11
LIMIT: Final = 1.15  # of the step without attention
_SIDE: Final = 256  # px


class Step:
    """A training step: one network, its optimiser, and one fixed batch."""

    def __init__(self, config: ModelConfig) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # both have the same weights: CSA has none of its own
            self.network = CSAInpainter(config).train()
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        colours = np.random.default_rng(0).uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)
        image = F.interpolate(torch.from_numpy(colours), size=_SIDE, mode="bicubic")
        self._image = image.clamp(-1, 1)
        self._hole = torch.from_numpy(centre_hole(_SIDE, _SIDE))[None, None].float()

    def __call__(self) -> None:
        """Run one step."""
        self._optimiser.zero_grad(set_to_none=True)
        stages = self.network.stages(self._image, self._hole)
        loss = reconstruction_loss(stages.rough, self._image)
        loss = loss + reconstruction_loss(stages.refined, self._image)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def attends(self) -> bool:
        """Return whether the attention changes the features of the hole, and no others."""
        with torch.no_grad():
            stages = self.network.stages(self._image, self._hole)
        same = (stages.attended == stages.features).all(dim=1, keepdim=True)
        return bool((same == (stages.feature_hole == 0)).all())


def measure(threads: int, *, width: int = WIDTH, rounds: int = ROUNDS) -> Iterator[Target]:
    """Yield the target of the step; takes minutes and 5 GB at full width."""
    if threads < 1 or rounds < 1:
        raise ContractError(f"threads and rounds must be at least 1; got {threads} and {rounds}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps = {kind: Step(ModelConfig(width=width, attention=kind)) for kind in ("csa", "none")}
        if not steps["csa"].attends() or steps["none"].attends():
            raise EngineError("CSA must change the features of the hole, and of the hole only")
        csa, none = interleaved(steps, rounds).values()
    finally:
        torch.set_num_threads(before)
    ratio = median_ratio(csa.wall_ms, none.wall_ms)
    of_processor = median_ratio(csa.processor_ms, none.processor_ms)
    csa_s, none_s = (statistics.median(times.wall_ms) / 1e3 for times in (csa, none))
    yield Target(
        what=f"a training step with CSA, width {width}, {_SIDE}x{_SIDE}, batch 1, L1 and Adam, "
        f"{threads} threads",
        target=f"at most {LIMIT} times the step of the same network without attention",
        found=f"{ratio:.3f} times ({csa_s:.2f} s against {none_s:.2f} s, medians of {rounds}); "
        f"{of_processor:.3f} times the processor time",
        met=ratio <= LIMIT,
    )
