"""The operator on a processor in NumPy and torch: the oracle, the loop, csakit's operator."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...plugins.reference import coherent_semantic_attention as oracle
from ...plugins.spec import Similarity
from ...train.attention import operator as _attention  # noqa: F401  registers the operator
from .. import baseline
from .cases import Case, Problem
from .implementations import Floats, Implementation, Prepared


def host_forms(threads: int) -> list[Implementation]:
    """Return all of them; torch is told the number of threads."""
    torch.set_num_threads(threads)
    return [
        Implementation(
            name="oracle",
            description="NumPy float64, hole by hole",
            prepare=_oracle,
            storage="float32",
        ),
        Implementation(
            name="python-loop",
            description="torch on the CPU, a Python loop over positions, float32",
            prepare=_loop,
            refusal=loop_refusal,
            storage="float32",
        ),
        Implementation(
            name="torch", description="csakit's torch operator on the CPU", prepare=_torch
        ),
    ]


def loop_refusal(case: Case) -> str | None:
    """Return why the Python loop does not take a case; None if it takes it."""
    return "it needs a known position" if case.known == 0 else None


def run_loop(features: Tensor, hole: Tensor, similarity: Similarity) -> Tensor:
    """Run the Python loop on (B, C, S, S) float32, image by image, as its users do."""
    images = zip(features[:, None], hole[:, None], strict=True)
    fill = functools.partial(baseline.coherent_semantic_attention, similarity=similarity)
    return torch.cat([fill(*image) for image in images])


def keeping(compute: Callable[[], Tensor]) -> Prepared:
    """Wrap a function that returns (B, C, S, S); its last result is kept."""
    kept: list[Tensor] = []

    def call() -> None:
        kept[:] = [compute()]

    return Prepared(call, lambda: kept[0].float().cpu().numpy())


def _oracle(problem: Problem) -> Prepared:
    kept: list[Floats] = []

    def call() -> None:
        filled = oracle(problem.features, problem.hole, problem.case.similarity)
        kept[:] = [filled.astype(np.float32)]

    return Prepared(call, lambda: kept[0])


def _loop(problem: Problem) -> Prepared:
    features, hole = torch.from_numpy(problem.features).float(), torch.from_numpy(problem.hole)
    return keeping(lambda: run_loop(features, hole, problem.case.similarity))


def _torch(problem: Problem) -> Prepared:
    features, hole = torch.from_numpy(problem.features), torch.from_numpy(problem.hole)
    operator = torch.ops.csakit.coherent_semantic_attention
    return keeping(lambda: operator(features, hole, problem.case.similarity))
