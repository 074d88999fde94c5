"""A fake torch.cuda on a CPU, as a benchmark uses it: events, graphs and the profiler.

The kernels are real, run by ``simt_tensors``; times are those of the CPU.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from csakit.benchmarks.attention import cuda_forms
from csakit.benchmarks.attention.cases import Problem
from csakit.plugins.library import Library

from .simt_tensors import TensorLibrary

STREAM = 0  # the fake library has the default one only


class Event:
    """A moment on the clock of the CPU, where all work is done at once."""

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        assert self.seconds > 0

    def elapsed_time(self, end: "Event") -> float:
        return (end.seconds - self.seconds) * 1e3


class Graph:
    """What was enqueued between begin and end, to be done again."""

    calls: tuple[Callable[[], None], ...] = ()

    def replay(self) -> None:
        for call in self.calls:
            call()


class FakeGpu:
    """What the benchmark believes to be a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.library = TensorLibrary()
        self.captured: list[Graph] = []
        real = cuda_forms.KernelRun

        def run(problem: Problem, library: Library) -> cuda_forms.KernelRun:
            return real(problem, library, device="cpu")

        for target, name, value in (
            (cuda_forms, "load", lambda: self.library),
            (cuda_forms, "KernelRun", run),
            (torch.Tensor, "cuda", lambda tensor: tensor),
            (torch.cuda, "is_available", lambda: True),
            (torch.cuda, "synchronize", lambda: None),
            (torch.cuda, "current_stream", lambda: self),
            (torch.cuda, "Event", Event),
            (torch.cuda, "CUDAGraph", Graph),
            (torch.cuda, "graph", self._capture),
        ):
            monkeypatch.setattr(target, name, value)
        self._capturing: Graph | None = None
        self._forward = self.library.forward
        monkeypatch.setattr(self.library, "forward", self._enqueue)

    cuda_stream = STREAM

    def _capture(self, graph: Graph, *, capture_error_mode: str) -> "FakeGpu":
        self.captured.append(graph)
        return self

    def __enter__(self) -> None:
        self._capturing = self.captured[-1]

    def __exit__(self, *_: object) -> None:
        self._capturing = None

    def _enqueue(self, desc: Any, **arguments: Any) -> None:  # noqa: ANN401
        if self._capturing is None:
            self._forward(desc, **arguments)
        else:
            calls = self._capturing.calls
            self._capturing.calls = (*calls, lambda: self._forward(desc, **arguments))
