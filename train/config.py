"""What a CSA network is built from; stored in every checkpoint."""

import dataclasses
from typing import Final, Literal, get_args

from ..plugins.errors import ContractError
from ..plugins.spec import SIMILARITIES, Similarity

Attention = Literal["csa", "conv", "none"]
ATTENTIONS: Final[tuple[Attention, ...]] = get_args(Attention)

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
    """

    width: int = 64
    attention: Attention = "csa"
    similarity: Similarity = "cosine"

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        if type(self.width) is not int or not 1 <= self.width <= MAX_WIDTH:
            raise ContractError(f"width must be an integer in 1..{MAX_WIDTH}; got {self.width!r}")
        if self.attention not in ATTENTIONS:
            raise ContractError(f"attention must be one of {ATTENTIONS}; got {self.attention!r}")
        if self.similarity not in SIMILARITIES:
            raise ContractError(
                f"similarity must be one of {SIMILARITIES}; got {self.similarity!r}"
            )
