"""PyTorch backends on the CPU: eager, compiled, and with CSA as a Python loop.

Letters: B images, C channels, H W sides.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...plugins.errors import ContractError
from ...plugins.spec import Similarity
from ...runtime.tensors.pixels import Float32
from ...train import checkpoint
from .. import baseline


@dataclasses.dataclass(frozen=True)
class TorchModel:
    """A torch model as a ``Running`` one."""

    forward: Callable[[Tensor, Tensor], Tensor]

    def run(self, image: Float32, hole: Float32) -> Float32:
        """Inpaint a batch."""
        with torch.inference_mode():
            return np.asarray(self.forward(torch.from_numpy(image), torch.from_numpy(hole)))


class LoopAttention(nn.Module):
    """CSA as a Python loop over positions; see ``csakit.benchmarks.baseline``."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.similarity = similarity

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Fill (B, C, H, W) features."""
        return baseline.coherent_semantic_attention(features, hole, self.similarity)


def open_torch(file: Path, threads: int, form: str = "eager") -> TorchModel:
    """Open a checkpoint: "eager", "compiled" at its first call of a shape, or CSA as a "loop"."""
    torch.set_num_threads(threads)
    model = checkpoint.load(file).requires_grad_(False)
    if form == "compiled":
        return TorchModel(torch.compile(model, dynamic=False))
    if form == "loop":
        if model.config.attention != "csa":
            raise ContractError(f"the model has no CSA: attention is {model.config.attention!r}")
        model.refinement.attention = LoopAttention(model.config.similarity)
    return TorchModel(model)
