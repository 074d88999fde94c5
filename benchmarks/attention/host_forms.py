"""CPU implementations of the operator: the oracle, the Python loop, csakit's torch operator."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...plugins.reference import coherent_semantic_attention as oracle
from ...plugins.spec import Similarity
from ...train.attention import operator as _attention  # noqa: F401  registers the operator
from .. import baseline
from .cases import Case, Problem
from .implementations import Implementation, Prepared

Fill = Callable[[Tensor, Tensor, Similarity], Tensor]


def host_forms(threads: int) -> list[Implementation]:
    """Return the CPU implementations, and set the number of torch's threads."""
    torch.set_num_threads(threads)
    loop = "torch on the CPU, a Python loop over positions, float32"
    python_loop = filling(baseline.coherent_semantic_attention, widened=True)
    operator = filling(torch.ops.csakit.coherent_semantic_attention)
    return [
        Implementation(
            "oracle", "NumPy float64, hole by hole", filling(_oracle), storage="float32"
        ),
        Implementation("python-loop", loop, python_loop, loop_refusal, storage="float32"),
        Implementation("torch", "csakit's torch operator on the CPU", operator),
    ]


def loop_refusal(case: Case) -> str | None:
    """Return why the Python loop does not take a case; None if it takes it."""
    return "it needs a known position" if case.known == 0 else None


def filling(
    fill: Fill, *, widened: bool = False, on_gpu: bool = False
) -> Callable[[Problem], Prepared]:
    """Return the ``prepare`` of a torch function; ``widened`` converts its features to float32."""

    def prepare(problem: Problem) -> Prepared:
        inputs = map(torch.from_numpy, (problem.features, problem.hole))
        features, hole = (tensor.cuda() if on_gpu else tensor for tensor in inputs)
        features = features.float() if widened else features
        kept: list[Tensor] = []

        def call() -> None:
            kept[:] = [fill(features, hole, problem.case.similarity)]

        return Prepared(call, lambda: kept[0].float().cpu().numpy())

    return prepare


def _oracle(features: Tensor, hole: Tensor, similarity: Similarity) -> Tensor:
    return torch.from_numpy(oracle(features.numpy(), hole.numpy(), similarity))
