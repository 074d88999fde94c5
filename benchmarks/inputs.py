"""Realistic random inputs: feature maps, and networks with random weights.

Letters: B images, C channels, H W sides of the feature map.
"""

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..train import CSAInpainter, ModelConfig

Floats = npt.NDArray[np.float32]

LEAK: Final = 0.2  # slope below zero of the encoders' LeakyReLU
GRAIN: Final = 4  # positions between independent values
NOISE: Final = 0.1  # makes neighbours distinct, so that the best match is a clear one

GAIN: Final = 0.5  # of each convolution: the spread of its output over that of its input
BIAS_STD: Final = 0.05
NORM_STD: Final = 0.2
ATTENTION_BIAS: Final = 0.3  # about the spread of the features it is added to
SEED: Final = 2  # of 0 to 2, the one with the clearest best matches: by 1e-4 of their score


def feature_like(
    rng: np.random.Generator, batch: int, channels: int, height: int, width: int
) -> Floats:
    """Return random (B, C, H, W) features: smooth, mostly positive, like a LeakyReLU's output."""
    # On zero-mean noise the recurrence is ill-conditioned: float32 and float64 differ by 1e-2.
    h = 1.5 + smooth(rng, (batch, channels, height, width))
    return np.where(h > 0, h, LEAK * h).astype(np.float32)


def smooth(
    rng: np.random.Generator, shape: tuple[int, int, int, int], grain: int = GRAIN
) -> npt.NDArray[np.float64]:
    """Return noisy values of mean 0, interpolated between independent ones ``grain`` apart."""
    batch, channels, height, width = shape
    coarse = rng.standard_normal((batch, channels, height // grain + 2, width // grain + 2))
    of_rows = _interpolation(height, coarse.shape[2], grain)
    of_columns = _interpolation(width, coarse.shape[3], grain)
    interpolated: npt.NDArray[np.float64] = of_rows @ coarse @ of_columns.T
    return interpolated + NOISE * rng.standard_normal(shape)


def _interpolation(fine: int, coarse: int, grain: int) -> npt.NDArray[np.float64]:
    """Return the (fine, coarse) matrix of linear interpolation."""
    distance = np.abs(np.arange(fine)[:, None] / grain - np.arange(coarse)[None])
    return np.maximum(1.0 - distance, 0.0)


def random_model(config: "ModelConfig", *, seed: int = SEED) -> "CSAInpainter":
    """Build a model in eval mode, float32 on the CPU; the same arguments give the same weights.

    Freshly initialised features are near zero, where the attention is ill-conditioned. Here every
    convolution keeps the spread of its input. Latency is that of trained weights.
    """
    import torch  # deferred: only this function needs torch
    from torch import nn

    from ..train import CSAInpainter
    from ..train.networks.generators import ATTENTION_LEVEL

    def summands(module: nn.Conv2d | nn.ConvTranspose2d) -> int:
        """Count the products that one output value sums."""
        products = module.in_channels * math.prod(module.kernel_size)
        return products // math.prod(module.stride) if module.transposed else products

    with torch.random.fork_rng(devices=[]):  # the constructor draws from the global generator
        model = CSAInpainter(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                std = GAIN / math.sqrt(summands(module))
                module.weight.normal_(0.0, std, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0.0, BIAS_STD, generator=generator)
            elif isinstance(module, nn.InstanceNorm2d):
                module.weight.normal_(1.0, NORM_STD, generator=generator)
                module.bias.normal_(0.0, NORM_STD, generator=generator)
        bias = model.refinement.levels[ATTENTION_LEVEL].widen.bias
        assert bias is not None
        bias.add_(ATTENTION_BIAS)
    return model.eval()
