"""Networks of random weights in the working range of a trained one, the same in every run.

A freshly initialised network is a poor subject: its features are near zero and of no common
direction, where the attention is ill-conditioned. Here every convolution keeps the spread of
its input, and the one that feeds the attention has a positive bias. Its latency is that of
trained weights: nothing in the networks but CSA depends on values, and CSA only on the mask.
"""

import math
from typing import Final

import torch
from torch import nn

from ..train import CSAInpainter, ModelConfig
from ..train.networks.generators import ATTENTION_LEVEL

GAIN: Final = 0.5  # of each convolution: the spread of its output over that of its input
BIAS_STD: Final = 0.05
NORM_STD: Final = 0.2
ATTENTION_BIAS: Final = 0.3  # about the spread of the features it is added to
SEED: Final = 2  # of 0..2, the one whose best matches lead by most: 1e-4 of their score


def random_model(config: ModelConfig, *, seed: int = SEED) -> CSAInpainter:
    """Build a model in eval mode; the same arguments give the same weights.

    Args:
        config: of the network.
        seed: of the weights.

    Returns:
        The model, float32, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):  # the constructor draws from the global generator
        model = CSAInpainter(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                std = GAIN / math.sqrt(_summands(module))
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


def _summands(module: nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Count the products that one output value sums."""
    products = module.in_channels * math.prod(module.kernel_size)
    return products // math.prod(module.stride) if module.transposed else products
