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
SIZES: Final = range(SIZE_MULTIPLE, MAX_SIZE + 1, SIZE_MULTIPLE)  # valid sides, in pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Options of an ONNX export.

    Attributes:
        precision: "fp32"; or "fp16": half-precision networks with float32 inputs, outputs,
            masks, compositing and CSA arithmetic.
        io: "float": images (B, 3, H, W) in [-1, 1]; or "uint8": images (B, H, W, 3) and
            masks (B, H, W, 1) of bytes, as decoders and cameras produce them.
        size: side in pixels, a multiple of 256; or "dynamic", any multiples of 256.
        max_batch: largest intended batch; 1 fixes the batch, None sets no limit.
        target: "generic": the networks' own layers; or "ort": layers rewritten to run faster in
            ONNX Runtime on a CPU; see ``csakit.export.graph.rewrites``.
        weights: storage type of the weights: "fp32"; or "fp16": half the bytes, lossless, for
            checkpoints with float16 weights. Runtimes widen them on loading; ``precision``
            decides the arithmetic.
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
        """Refuse options that the networks do not support."""
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
