"""The module that is traced: the pipeline with the ends and the CSA node of an exported model.

Letters: B images, H W sides in pixels. Nothing here is used in training.
"""

import copy

import torch
from torch import Tensor, nn

from ..plugins import spec
from ..plugins.spec import Similarity
from ..train import CoherentSemanticAttention, CSAInpainter
from .config import ExportConfig
from .graph import rewrites


class ExportWrapper(nn.Module):
    """Trace target. The given model is copied and left as it is.

    Args:
        model: in eval mode, float32.
        config: precision, io and target.
    """

    def __init__(self, model: CSAInpainter, config: ExportConfig) -> None:
        super().__init__()
        self.uint8 = config.io == "uint8"
        self.model = copy.deepcopy(model)
        if config.target == "ort":
            rewrites.for_onnxruntime(self.model)
            if config.precision == "fp32":
                rewrites.in_tiles(self.model)
        if config.precision == "fp16":
            self.model.rough.half()
            self.model.refinement.half()
        attention = self.model.refinement.attention
        if isinstance(attention, CoherentSemanticAttention):
            self.model.refinement.attention = _AttentionNode(attention.similarity)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inpaint a batch in the layout of the configuration.

        Args:
            image: (B, 3, H, W) float32 in [-1, 1], or (B, H, W, 3) uint8.
            mask: (B, 1, H, W) float32, 1 = missing, or (B, H, W, 1) uint8, non-zero = missing.

        Returns:
            ``surgery.TRACED_OUTPUTS``, the output in the layout of the image.
        """
        if self.uint8:
            # Converted first: TensorRT does nothing else with bytes.
            image = image.float().permute(0, 3, 1, 2) / 127.5 - 1.0
            mask = mask.float().permute(0, 3, 1, 2)  # any non-zero byte is above 0.5
        stages = self.model.stages(image, mask)
        output = stages.result
        if self.uint8:
            # Exact for known pixels: the way through [-1, 1] moves a byte by less than 1e-4.
            output = torch.round((output + 1.0) * 127.5).permute(0, 2, 3, 1).to(torch.uint8)
        return output, stages.rough, stages.features, stages.attended


class _AttentionNode(nn.Module):
    """Leaves one ``csakit::CoherentSemanticAttention`` node in the traced graph."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.similarity = similarity

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        return torch.onnx.ops.symbolic(
            f"{spec.DOMAIN}::{spec.NAME}",
            (features, hole),
            attrs={
                "similarity": self.similarity,
                "plugin_version": spec.VERSION,
                "plugin_namespace": spec.NAMESPACE,
            },
            dtype=features.dtype,
            shape=features.shape,
            version=int(spec.VERSION),
        )
