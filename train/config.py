"""The configuration of a CSA network, stored in every checkpoint."""

import dataclasses
from typing import Final, Literal, get_args

from ..plugins.spec import Similarity
from .fields import require, require_types

Attention = Literal["csa", "conv", "none"]
ATTENTIONS: Final[tuple[Attention, ...]] = get_args(Attention)
Fill = Literal["constant", "interpolated"]
Prediction = Literal["absolute", "residual"]

MAX_WIDTH: Final = 128  # 8 x 128 = 1024 channels, the most that the CUDA kernels take


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The architecture of a network.

    Attributes:
        width: channels of the first level; 64 is the published network. 1 to 128.
        attention: "csa"; or the paper's ablations: "conv", a 3x3 convolution in its place,
            or "none".
        similarity: how CSA compares vectors: "cosine", as the paper prints it and the
            default for new models, or "projection", as the published code computes it.
        fill: what the rough network sees in the hole: "constant", the paper's colour; or
            "interpolated", harmonic interpolation from the hole's border, with the mask as an
            additional channel of both networks.
        prediction: what the networks predict: "absolute", colours, as in the paper; or "residual",
            an offset from the interpolation, in units of the contrast around the hole.
    """

    width: int = 64
    attention: Attention = "csa"
    similarity: Similarity = "cosine"
    fill: Fill = "constant"
    prediction: Prediction = "absolute"

    def __post_init__(self) -> None:
        fits = type(self.width) is int and 1 <= self.width <= MAX_WIDTH
        require(fits, "width", f"an integer in 1..{MAX_WIDTH}", self.width)
        require_types(self)
        residual = self.prediction == "residual"
        rule = "'interpolated' with prediction 'residual', which adds to it"
        require(self.fill == "interpolated" or not residual, "fill", rule, self.fill)
