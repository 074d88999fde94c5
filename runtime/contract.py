"""Names, ranges and sizes that all layers share; defined only here.

Letters in the shapes of all docstrings: B images, C channels, H W sides in pixels.
"""

from typing import Final, Literal

IMAGE: Final = "image"  # (B, 3, H, W) float32 in [-1, 1], RGB; or (B, H, W, 3) uint8
MASK: Final = "mask"  # (B, 1, H, W) float32, 1 = missing; or (B, H, W, 1) uint8, non-zero = missing
OUTPUT: Final = "output"  # shape and type of IMAGE

SIZE_MULTIPLE: Final = 256  # pixels; both networks halve each side eight times

# The colour under the hole before the rough network, as 8-bit RGB. From the published code,
# whose weights rely on it (it is the ImageNet mean with green and blue exchanged).
FILL_RGB: Final = (123, 104, 117)

FEATURE_HOLE_THRESHOLD: Final = 5 / 16  # a feature position is a hole above this coverage

TRAINED_HOLE: Final = 120  # px; the paper's centre hole, for models that state none

IOFormat = Literal["float", "uint8"]
Precision = Literal["fp32", "fp16"]  # of an exported model
ComputePrecision = Literal["fp32", "fp16", "bf16"]  # what a runtime computes the networks in

METADATA_PREFIX: Final = "csakit."  # keys of ONNX metadata_props and of safetensors metadata
FORMAT_VERSION: Final = 1  # of exported models; increased when old readers would be wrong

# Keys of an exported model's metadata_props; every value is text.
META_FORMAT: Final = f"{METADATA_PREFIX}format"  # FORMAT_VERSION
META_VERSION: Final = f"{METADATA_PREFIX}version"  # of csakit, when it was exported
META_CHECKPOINT: Final = f"{METADATA_PREFIX}checkpoint_sha256"
META_PRECISION: Final = f"{METADATA_PREFIX}precision"  # "fp32" or "fp16"
META_IO: Final = f"{METADATA_PREFIX}io"  # "float" or "uint8"
META_TARGET: Final = f"{METADATA_PREFIX}target"  # "generic" or "ort"
META_SIMILARITY: Final = f"{METADATA_PREFIX}similarity"  # "projection" or "cosine"
META_ATTENTION: Final = f"{METADATA_PREFIX}attention"  # "csa", "conv" or "none"
META_FILL: Final = f"{METADATA_PREFIX}fill"  # "constant" or "interpolated"
META_MAX_BATCH: Final = f"{METADATA_PREFIX}max_batch"  # a number, or empty: any
META_WIDTH: Final = f"{METADATA_PREFIX}width"  # channels of the first level; 64 is the published
META_TRAINED_HOLE: Final = f"{METADATA_PREFIX}trained_hole"  # px, the largest side; or empty
META_PREDICTION: Final = f"{METADATA_PREFIX}prediction"  # "absolute" or "residual"
