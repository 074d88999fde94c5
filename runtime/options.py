"""Options of a repair. Every default of the runtime is in this file."""

import dataclasses
import re
from typing import Final, Literal, get_args

from ..plugins.errors import ContractError
from .contract import SIZE_MULTIPLE

Strategy = Literal["crop", "resize", "whole"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)

MARGIN_MIN: Final = 8  # px; one feature position, so that each crop has a known one
MAX_SIDE_MAX: Final = 2048  # px; the limit of `csakit export`; cost grows with its 4th power
FEATHER_MAX: Final = 256  # px; more would recolour the whole hole that a network can fill
MARGIN_MAX: Final = 65_536  # px; larger than any image
DILATE_MAX: Final = 1024  # px; the work grows with it
Channel = Literal["grey", "alpha", "red", "green", "blue"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
BLENDS: Final = f"seamless, none, or feather PX with 1 to {FEATHER_MAX} pixels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """Options of applying the network, which takes multiples of 256, to images of any size.

    Attributes:
        strategy: "crop" runs each hole region with the margin around it, at the scale that the
            model was trained for: full resolution unless the hole is too large; "resize" runs
            the whole image, scaled down to ``max_side``; "whole" runs the whole image as it
            is, padded to the next multiple of 256.
        margin: least known surroundings on each side of a crop, in pixels of the network's
            input; half of the hole's side where that is more, a quarter of the input at most.
        blend: how the result meets the known pixels: "seamless" continues the network's error at
            the edge harmonically into the hole; "feather 8" lets that correction fade out over
            8 pixels; "none" leaves the network's pixels alone.
        texture: add fine detail of the known region to large holes, where networks predict a blur;
            not with blend "none".
        max_side: longest side of the network's input with "resize", for models that take any
            size. The networks were trained at 256, and the matrix of the attention grows with
            the fourth power of the side: 16 Mi numbers at 512.
    """

    strategy: Strategy = "crop"
    margin: int = 32
    blend: str = "seamless"
    texture: bool = True
    max_side: int = 512

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ContractError(f"strategy must be one of {STRATEGIES}; got {self.strategy!r}")
        _check_integer("margin", self.margin, MARGIN_MIN, MARGIN_MAX, "pixels")
        if self.blend not in ("seamless", "none") and self.feather is None:
            raise ContractError(f"blend must be {BLENDS}; got {self.blend!r}")
        _check_integer("max_side", self.max_side, SIZE_MULTIPLE, MAX_SIDE_MAX, "pixels")
        if self.max_side % SIZE_MULTIPLE:
            raise ContractError(
                f"max_side must be a multiple of {SIZE_MULTIPLE}; got {self.max_side}"
            )

    @property
    def feather(self) -> int | None:
        """Pixels over which the correction fades out; None if it does not."""
        match = re.fullmatch(r"feather +(\d{1,3})", str(self.blend))
        length = int(match[1]) if match else 0
        return length if 1 <= length <= FEATHER_MAX else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """Options of reading a mask file as a hole. White is missing.

    Attributes:
        channel: what marks a pixel: "grey" its lightness, "alpha" its transparency, and a colour
            the excess of that colour over the other two.
        threshold: grey value, 1 to 255, from which a mask pixel is missing; 128 is half of
            the scale.
        invert: black is missing instead.
        dilate: pixels by which the hole grows, because hand-drawn masks often leave out the
            edge of the object.
    """

    channel: Channel = "grey"
    threshold: int = 128
    invert: bool = False
    dilate: int = 0

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ContractError(f"mask channel must be one of {CHANNELS}; got {self.channel!r}")
        _check_integer("mask threshold", self.threshold, 1, 255, "grey levels")
        _check_integer("dilate", self.dilate, 0, DILATE_MAX, "pixels")


def _check_integer(name: str, value: int, low: int, high: int, unit: str) -> None:
    """Refuse a value that is not a whole number in [low, high]."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        shown = repr(value) if not whole or abs(value) < 10**12 else "a number far out of range"
        raise ContractError(f"{name} must be {low} to {high} {unit}, a whole number; got {shown}")


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """Options of running an engine; the defaults are for one or two threads.

    Attributes:
        contexts: execution contexts at most; each is for one shape, with memory of its own.
        cuda_graph: capture each context's call in a CUDA graph.
        binding: "pycuda" or "cuda-python"; None takes the first installed.
    """

    contexts: int = 2
    cuda_graph: bool = True
    binding: str | None = None

    def __post_init__(self) -> None:
        if self.contexts < 1:
            raise ContractError(f"contexts must be at least 1; got {self.contexts}")
