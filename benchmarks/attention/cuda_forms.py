"""GPU implementations of the operator: the Python loop, torch's operations, csakit's kernels.

Tensors are on the device before anything is timed. A sample of a fast implementation is the mean
of consecutive calls, because one call is shorter than events can resolve. All read the same
buffers, which stay in the GPU's second-level cache like the features that a network just computed.
"""

from collections.abc import Collection
from typing import Final

import torch

from ...plugins.abi import Direction, Dtype, attention_desc
from ...plugins.errors import LibraryError
from ...plugins.library import Library, load
from ...train.attention import chunked
from .. import baseline
from .cases import Case, Problem
from .host_forms import filling, loop_refusal
from .implementations import Implementation, Prepared

LAUNCHES: Final = 20  # of the operator in one sample, and in one captured graph
_EAGER: Final = 5  # of torch's operations, which are limited by the host anyway
KERNELS: Final = ("cuda", "cuda-graph")


class KernelRun:
    """A problem and the library that solves it, on the GPU, or on "cpu" for a CPU build."""

    def __init__(self, problem: Problem, library: Library, device: str = "cuda") -> None:
        case = problem.case
        self._library = library
        self._desc = attention_desc(
            (case.batch, case.channels, case.side, case.side),
            dtype=Dtype[case.dtype.upper()],
            hole_dtype=Dtype.FLOAT32,
            similarity=case.similarity,
        )
        self._features = torch.from_numpy(problem.features).to(device)
        self._hole = torch.from_numpy(problem.hole).to(device)
        # NaN, so that a position that the kernels skip cannot look right.
        self.output = torch.full_like(self._features, float("nan"))
        size = library.workspace_bytes(self._desc, Direction.FORWARD)
        self._workspace = torch.empty(size, dtype=torch.uint8, device=device)

    def enqueue(self, stream: int) -> None:
        """Enqueue the operator once on a CUDA stream, 0 for the default one."""
        self._library.forward(
            self._desc,
            features=self._features.data_ptr(),
            hole=self._hole.data_ptr(),
            output=self.output.data_ptr(),
            workspace=self._workspace.data_ptr(),
            workspace_bytes=self._workspace.numel(),
            stream=stream,
        )


def cuda_forms(names: Collection[str]) -> list[Implementation]:
    """Return the GPU implementations; check that ``names`` can run, and disable TF32 in torch."""
    if not torch.cuda.is_available():
        raise LibraryError(
            f"{', '.join(names)} must have an NVIDIA GPU and a torch with CUDA; "
            f"torch {torch.__version__} sees no GPU\nLeave them out of --backends."
        )
    if set(names) & set(KERNELS):
        load()  # reports what to do where there is none
    torch.backends.cudnn.allow_tf32 = False  # ten bits of a score choose another match
    torch.backends.cuda.matmul.allow_tf32 = False
    title = "torch on the GPU, a Python loop over positions, float32"
    python_loop = filling(baseline.coherent_semantic_attention, widened=True, on_gpu=True)
    own = "csakit's operator in torch's own operations, on the GPU"
    kernels = f"csakit's CUDA kernels, {LAUNCHES} calls"
    return [
        Implementation(
            "python-loop-cuda", title, python_loop, _loop_refusal, on_gpu=True, storage="float32"
        ),
        Implementation(
            "torch-cuda", own, filling(chunked.fill, on_gpu=True), on_gpu=True, calls=_EAGER
        ),
        Implementation("cuda", f"{kernels} back to back", _kernels, on_gpu=True, calls=LAUNCHES),
        Implementation("cuda-graph", f"{kernels} in one captured graph", _graph, on_gpu=True),
    ]


def _loop_refusal(case: Case) -> str | None:
    if case.batch > 1:
        return "it computes one image after another: the time is proportional to the batch"
    return loop_refusal(case)


def _kernels(problem: Problem) -> Prepared:
    run = KernelRun(problem, load())
    return Prepared(lambda: run.enqueue(_stream()), lambda: run.output.float().cpu().numpy())


def _graph(problem: Problem) -> Prepared:
    run = KernelRun(problem, load())
    run.enqueue(_stream())  # the first call loads the code, which capturing may forbid
    torch.cuda.synchronize()
    run.output.fill_(float("nan"))
    graph = torch.cuda.CUDAGraph()
    # relaxed: other threads of torch may allocate meanwhile
    with torch.cuda.graph(graph, capture_error_mode="relaxed"):
        for _ in range(LAUNCHES):
            run.enqueue(_stream())
    return Prepared(graph.replay, lambda: run.output.float().cpu().numpy(), times=LAUNCHES)


def _stream() -> int:
    return int(torch.cuda.current_stream().cuda_stream)
