"""Names, ranges and sizes that every layer agrees on; spelled nowhere else."""

from typing import Final, Literal

IMAGE: Final = "image"  # (B, 3, H, W) float32 in [-1, 1], RGB; or (B, H, W, 3) uint8
HOLE: Final = "hole"  # (B, 1, H, W) float32, 1 = missing; or (B, H, W, 1) uint8, non-zero = missing
RESULT: Final = "result"  # shape and type of IMAGE

SIZE_MULTIPLE: Final = 256  # pixels; both networks halve each side eight times
FEATURE_STRIDE: Final = 8  # input pixels per feature position where the attention runs

# The colour under the hole before the rough network, as 8-bit RGB. From the published code,
# whose weights rely on it (it is the ImageNet mean with green and blue exchanged).
FILL_RGB: Final = (123, 104, 117)

FEATURE_HOLE_THRESHOLD: Final = 5 / 16  # a feature position is a hole above this coverage

Io = Literal["float", "uint8"]
Precision = Literal["fp32", "fp16"]

METADATA_PREFIX: Final = "csakit."  # keys of ONNX metadata_props and of safetensors metadata
FORMAT_VERSION: Final = 1  # of exported models; raised when old readers would be wrong
