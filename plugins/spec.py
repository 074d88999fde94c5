"""The CSA operator: its name, its node, and the constants of its definition.

They are spelled nowhere else. The equations are in ``csakit.plugins.reference``.
"""

from typing import Final, Literal, get_args

DOMAIN: Final = "csakit"  # ONNX domain
NAME: Final = "CoherentSemanticAttention"  # ONNX op type and TensorRT plugin name
VERSION: Final = "1"  # plugin_version; raise when inputs, outputs or meaning change
NAMESPACE: Final = ""  # plugin_namespace; TensorRT looks in this one by default
INPUTS: Final = ("features", "hole")  # (B, C, H, W), (B, 1, H, W)
OUTPUTS: Final = ("filled",)  # (B, C, H, W)
ATTRIBUTE: Final = "similarity"  # attribute of the ONNX node, and the plugins' only field

Similarity = Literal["projection", "cosine"]
SIMILARITIES: Final[tuple[Similarity, ...]] = get_args(Similarity)

HOLE_THRESHOLD: Final = 0.5  # values above it mark holes; masks should be 0 or 1, some have greys
NORM_EPSILON: Final = 1e-8  # added to a norm before dividing by it, as the published layer does
DENOMINATOR_MIN: Final = 1e-6  # below this |a + s| the blend is undefined: the match is copied
