"""The configuration of a CSA network, stored in every checkpoint."""

import dataclasses
from typing import Final, Literal, get_args

from ..plugins.errors import ContractError
from ..plugins.spec import SIMILARITIES, Similarity

Attention = Literal["csa", "conv", "none"]
ATTENTIONS: Final[tuple[Attention, ...]] = get_args(Attention)
Fill = Literal["constant", "interpolated"]
FILLS: Final[tuple[Fill, ...]] = get_args(Fill)
Prediction = Literal["absolute", "residual"]
PREDICTIONS: Final[tuple[Prediction, ...]] = get_args(Prediction)

MAX_WIDTH: Final = 128  # 8 x 128 = 1024 channels, the most that the CUDA kernels take


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape and meaning of a network.

    Attributes:
        width: channels of the first level; 64 is the published network. 1 to 128.
        attention: "csa"; or the paper's ablations: "conv", a 3x3 convolution in its place,
            or "none".
        similarity: how CSA compares vectors: "cosine", as the paper prints it and the
            default for new models, or "projection", as the published code computes it.
        fill: what the rough network sees in the hole: "constant", the paper's colour; or
            "interpolated", the harmonic continuation of the rim, with the mask as one more
            channel of both networks.
        prediction: what the networks predict: "absolute", colours, as in the paper; or "residual",
            what is to be added to the interpolation, in units of the contrast around the hole.
        detail: whether a third, small network adds detail deep in the hole, drawn from noise
            in the manner of the attention's matches; with prediction "residual".
    """

    width: int = 64
    attention: Attention = "csa"
    similarity: Similarity = "cosine"
    fill: Fill = "constant"
    prediction: Prediction = "absolute"
    detail: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        if type(self.width) is not int or not 1 <= self.width <= MAX_WIDTH:
            raise ContractError(f"width must be an integer in 1..{MAX_WIDTH}; got {self.width!r}")
        for name, choices in (
            ("attention", ATTENTIONS),
            ("similarity", SIMILARITIES),
            ("fill", FILLS),
            ("prediction", PREDICTIONS),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ContractError(f"{name} must be one of {choices}; got {value!r}")
        if type(self.detail) is not bool:
            raise ContractError(f"detail must be true or false; got {self.detail!r}")
        if self.detail and self.prediction != "residual":
            raise ContractError(
                "detail must have prediction 'residual', whose contrast is its unit; "
                f"got prediction {self.prediction!r}"
            )
        if self.prediction == "residual" and self.fill != "interpolated":
            raise ContractError(
                f"prediction 'residual' must have fill 'interpolated', to which it adds; "
                f"got fill {self.fill!r}"
            )
