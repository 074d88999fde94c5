"""Training and evaluation in torch: the CSA operator with gradient, networks, checkpoints.

    from csakit.train import CSAInpainter, ModelConfig, checkpoint

    model = CSAInpainter(ModelConfig(width=64))
    checkpoint.save(model, "model.safetensors")

Importing it registers ``torch.ops.csakit.coherent_semantic_attention``.
"""

from importlib.util import find_spec

if find_spec("torch"):  # without it, the commands still answer --help
    from . import authors as authors
    from . import checkpoint as checkpoint
    from .attention.operator import CoherentSemanticAttention as CoherentSemanticAttention
    from .config import ModelConfig as ModelConfig
    from .networks.inpainter import CSAInpainter as CSAInpainter
    from .networks.inpainter import Stages as Stages

__all__ = [
    "CSAInpainter",
    "CoherentSemanticAttention",
    "ModelConfig",
    "Stages",
    "authors",
    "checkpoint",
]
