"""The two patch discriminators, of images and of VGG-16 features. For training only.

Letters: B images, H W sides in pixels, w a width. Source: Liu et al., ICCV 2019, and the published
code, which we follow: affine instance norms for the image, plain ones for features, no spectral
norm, no sigmoid; it halves relu3_3 three times, where the paper's figure pools and halves once.
"""

from torch import Tensor, nn
from torch.func import functional_call

from .generators import LEAK, initialise
from .vgg import RELU3_3_CHANNELS


class PatchDiscriminator(nn.Module):
    """Scores each 70x70 patch of an image (PatchGAN); width 64 has 2.77 million parameters."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(3, width, stride=2),
            _leaky(),
            _conv(width, 2 * width, stride=2),
            nn.InstanceNorm2d(2 * width, affine=True),
            _leaky(),
            _conv(2 * width, 4 * width, stride=2),
            nn.InstanceNorm2d(4 * width, affine=True),
            _leaky(),
            _conv(4 * width, 8 * width, stride=1),
            nn.InstanceNorm2d(8 * width, affine=True),
            _leaky(),
            _conv(8 * width, 1, stride=1),
        )
        self.apply(initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores of (B, 3, H, W) images, sides at least 32: (B, 1, H/8 - 2, W/8 - 2)."""
        scores: Tensor = self.layers(image)
        return scores


class FeaturePatchDiscriminator(nn.Module):
    """Scores relu3_3 of VGG-16 patch by patch; width 512 has 10.49 million parameters.

    Each of the w channels at each position is a score, as in the published code.
    """

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(RELU3_3_CHANNELS, width, stride=2),
            _leaky(),
            _conv(width, width, stride=2),
            nn.InstanceNorm2d(width),
            _leaky(),
            _conv(width, width, stride=2),
        )
        self.apply(initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Return scores of relu3_3, (B, 256, H/4, W/4), sides at least 8: (B, w, H/32, W/32)."""
        scores: Tensor = self.layers(features)
        return scores


def score_frozen(discriminator: nn.Module, given: Tensor) -> Tensor:
    """Return scores of an unwrapped discriminator, with gradient to its input only."""
    detached = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    scores: Tensor = functional_call(discriminator, detached, (given,))
    return scores


def _conv(inputs: int, outputs: int, *, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=4, stride=stride, padding=1)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(LEAK, inplace=True)
