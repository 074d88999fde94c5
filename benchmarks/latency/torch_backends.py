"""Models in PyTorch on the CPU, as they are, compiled, and with CSA as a Python loop.

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
from ...train import CSAInpainter, checkpoint
from .. import baseline


@dataclasses.dataclass(frozen=True)
class TorchModel:
    """An opened model; see ``Running``."""

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


def open_eager(file: Path, threads: int) -> TorchModel:
    """Open a checkpoint."""
    return TorchModel(_loaded(file, threads))


def open_python_loop(file: Path, threads: int) -> TorchModel:
    """Open a checkpoint with the loop in place of CSA."""
    model = _loaded(file, threads)
    if model.config.attention != "csa":
        raise ContractError(f"the model has no CSA: attention is {model.config.attention!r}")
    model.refinement.attention = LoopAttention(model.config.similarity)
    return TorchModel(model)


def open_compiled(file: Path, threads: int) -> TorchModel:
    """Open a checkpoint to be compiled at its first call, once for each shape."""
    return TorchModel(torch.compile(_loaded(file, threads), dynamic=False))


def _loaded(file: Path, threads: int) -> CSAInpainter:
    torch.set_num_threads(threads)
    return checkpoint.load(file).requires_grad_(False)
