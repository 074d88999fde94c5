"""Options of an export: a frozen object, validated when it is created."""

import dataclasses
from typing import Final, Literal, get_args

from ..plugins.errors import ContractError
from ..runtime.contract import SIZE_MULTIPLE, IOFormat, Precision

Target = Literal["generic", "ort"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
IOS: Final[tuple[IOFormat, ...]] = get_args(IOFormat)
MAX_BATCH: Final = 65_536  # images
MAX_SIZE: Final = 2048  # pixels; the attention's cost grows with the fourth power of the side
SIZES: Final = range(SIZE_MULTIPLE, MAX_SIZE + 1, SIZE_MULTIPLE)  # sides that the networks take


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The form of an exported model.

    Attributes:
        precision: "fp32", or "fp16": half-precision networks between float32 ends, with
            masks, compositing and the inside of CSA in float32.
        io: "float": images (B, 3, H, W) in [-1, 1]; or "uint8": images (B, H, W, 3) and
            masks (B, H, W, 1) of bytes, as decoders and cameras give them.
        size: pixels of each side, a multiple of 256; or "dynamic", any multiples of 256.
        max_batch: largest batch the model is meant for; 1 fixes the batch, None leaves it
            open.
        target: "generic", the layers as the networks have them; or "ort", rewritten to what
            ONNX Runtime computes faster on a CPU; see ``csakit.export.graph.rewrites``.
        weights: what weights are stored in: "fp32", or "fp16": half the bytes, for checkpoints
            whose weights are float16 and so lose nothing. Runtimes widen them when they load the
            file; arithmetic is that of ``precision``.
        external_weights: write the weights to a file of their own beside the model, which
            runtimes map into memory instead of reading.
    """

    precision: Precision = "fp32"
    io: IOFormat = "float"
    size: int | Literal["dynamic"] = "dynamic"
    max_batch: int | None = None
    target: Target = "generic"
    weights: Precision = "fp32"
    external_weights: bool = False

    def __post_init__(self) -> None:
        """Refuse what the networks cannot take."""
        choices = {"precision": PRECISIONS, "io": IOS, "target": TARGETS, "weights": PRECISIONS}
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise ContractError(f"{name} must be one of {known}; got {value!r}")
        if self.weights == "fp16" and self.target == "ort":
            raise ContractError(
                "weights 'fp16' must have target 'generic', because target 'ort' computes new "
                "weights, which float16 cannot hold exactly; got target 'ort'"
            )
        fixed = isinstance(self.size, int) and self.size in SIZES
        if self.size != "dynamic" and not fixed:
            raise ContractError(
                f"size must be 'dynamic' or a multiple of {SIZE_MULTIPLE} up to {MAX_SIZE}; "
                f"got {self.size!r}"
            )
        if self.max_batch is not None and not 1 <= self.max_batch <= MAX_BATCH:
            raise ContractError(f"max_batch must be 1 to {MAX_BATCH}; got {self.max_batch}")
