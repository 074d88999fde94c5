"""The operator on a processor in NumPy and torch: the oracle, the loop, csakit's operator."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...plugins.reference import coherent_semantic_attention as oracle
from ...train.attention import operator as _attention  # noqa: F401  registers the operator
from .. import baseline
from .cases import Case, Problem
from .implementations import Implementation, Prepared


def host_forms(threads: int) -> list[Implementation]:
    """Return all of them; torch is told the number of threads."""
    torch.set_num_threads(threads)
    loop = "torch on the CPU, a Python loop over positions, float32"
    return [
        Implementation("oracle", "NumPy float64, hole by hole", _oracle, storage="float32"),
        Implementation("python-loop", loop, _loop, loop_refusal, storage="float32"),
        Implementation("torch", "csakit's torch operator on the CPU", _torch),
    ]


def loop_refusal(case: Case) -> str | None:
    """Return why the Python loop does not take a case; None if it takes it."""
    return "it needs a known position" if case.known == 0 else None


def keeping(compute: Callable[[], Tensor]) -> Prepared:
    """Wrap a function that returns (B, C, S, S); its last result is kept."""
    kept: list[Tensor] = []

    def call() -> None:
        kept[:] = [compute()]

    return Prepared(call, lambda: kept[0].float().cpu().numpy())


def _oracle(problem: Problem) -> Prepared:
    inputs = problem.features, problem.hole, problem.case.similarity
    return keeping(lambda: torch.from_numpy(oracle(*inputs)))


def _loop(problem: Problem) -> Prepared:
    features, hole = torch.from_numpy(problem.features).float(), torch.from_numpy(problem.hole)
    fill = baseline.coherent_semantic_attention
    return keeping(lambda: fill(features, hole, problem.case.similarity))


def _torch(problem: Problem) -> Prepared:
    features, hole = torch.from_numpy(problem.features), torch.from_numpy(problem.hole)
    operator = torch.ops.csakit.coherent_semantic_attention
    return keeping(lambda: operator(features, hole, problem.case.similarity))
