"""The kernels are called as the benchmark calls them: on a fake GPU, and on a real one."""

import contextlib
import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from csakit.benchmarks.attention import run as module
from csakit.benchmarks.attention.cases import DTYPES, Case, DtypeName, make_problem
from csakit.benchmarks.attention.cuda_forms import LAUNCHES, KernelRun
from csakit.benchmarks.attention.implementations import GPU, Prepared
from csakit.benchmarks.attention.run import find_implementations, kernel_times, measure, parity
from csakit.benchmarks.record import Record
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import Similarity
from helpers.fake_cuda import FakeGpu
from helpers.simt_tensors import TensorLibrary

TINY = Case(holes=12, channels=16, side=8, dtype="float16")


def record_of(*names: str, case: Case = TINY, seconds: float = 0.01) -> Record:
    """Measure one case; return the last record."""
    return list(measure([case], find_implementations(names, threads=1), seconds))[-1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_fills_what_the_oracle_fills(dtype: DtypeName, similarity: Similarity) -> None:
    case = Case(holes=50, batch=2, channels=40, side=10, dtype=dtype, similarity=similarity)
    problem = make_problem(case)

    run = KernelRun(problem, TensorLibrary(), device="cpu")
    poisoned = bool(torch.isnan(run.output).all())
    run.enqueue(0)

    expected = coherent_semantic_attention(problem.features, problem.hole, similarity)
    found = parity(problem, run.output.float().numpy(), expected.astype(np.float32), dtype)
    assert poisoned
    assert found.passed, found


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    monkeypatch.setattr(module, "kernel_times", lambda prepared: {"chain": 0.01})
    return FakeGpu(monkeypatch)


def test_every_implementation_is_checked_and_timed_on_a_fake_one(gpu: FakeGpu) -> None:
    record = record_of(*GPU)

    assert {check.outcome for check in record.checks} == {"skipped"}  # targets of other sizes
    assert [measured.backend for measured in record.measurements] == list(GPU)
    assert {len(graph.calls) for graph in gpu.captured} == {LAUNCHES}
    for measured in record.measurements:
        assert measured.device is not None
        assert len(measured.device.compute_ms) == len(measured.samples_ms)
        assert min(measured.device.compute_ms) > 0
    kernels = {m.backend: m.device.kernels_ms for m in record.measurements if m.device}
    assert kernels.pop("cuda") == {"chain": 0.01}
    assert not any(kernels.values())


def test_a_graph_that_computes_nothing_is_found_wrong(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.fake_cuda.Graph.replay", lambda graph: None)

    record = record_of("cuda-graph")

    assert record.measurements == ()
    assert record.checks[0].outcome == "failed"
    assert "off by inf" in record.checks[0].reason


@pytest.mark.usefixtures("gpu")
def test_without_a_profiler_the_times_stand_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: object) -> dict[str, float]:
        raise RuntimeError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES in /usr/lib/libcupti.so")

    monkeypatch.setattr(module, "kernel_times", refused)

    record = record_of("cuda")

    assert len(record.measurements) == 1
    assert record.warnings[0] == (
        "the profiler failed: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES in libcupti.so"
    )


@pytest.mark.usefixtures("gpu")
def test_the_loop_takes_one_image_on_a_gpu() -> None:
    case = dataclasses.replace(TINY, batch=2)

    record = record_of(*GPU, case=case)

    assert [absent.backend for absent in record.absent] == ["python-loop-cuda"]
    assert "one image after another" in record.absent[0].reason


@pytest.mark.gpu
def test_they_are_right_and_timed_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    from helpers.cuda_device import native_library

    monkeypatch.setenv(LIBRARY_VARIABLE, str(native_library().path))
    load.cache_clear()
    case = Case(holes=40, channels=64, side=16)

    record = record_of(*GPU, case=case, seconds=0.1)

    load.cache_clear()
    assert {check.outcome for check in record.checks} == {"skipped"}
    assert [measured.backend for measured in record.measurements] == list(GPU)
    for measured in record.measurements:
        assert measured.device is not None
        assert 0 < min(measured.device.compute_ms) <= max(measured.samples_ms)
    assert record.environment.gpu is not None
    kernels = next(m.device.kernels_ms for m in record.measurements if m.backend == "cuda")
    assert set(kernels) in (set(), {"prepare", "match", "gram", "chain", "fill"})


def test_times_of_kernels_are_summed_by_name_and_shared_among_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = "csakit::(anonymous namespace)"  # as CUDA names templates
    events = [
        SimpleNamespace(key=key, self_device_time_total=us)
        for key, us in (
            (f"void {inside}::chainKernel<__half, false>(csakit::Attention<__half>)", 600.0),
            (f"void {inside}::matchKernel<__half, 64>(csakit::Attention<__half>)", 100.0),
            (f"void {inside}::matchKernel<__half, 128>(csakit::Attention<__half>)", 40.0),
            ("void at::native::vectorized_elementwise_kernel<4>(int)", 999.0),
            ("Memset (Device)", 5.0),
        )
    ]
    profiler = contextlib.nullcontext(SimpleNamespace(key_averages=lambda: events))
    calls: list[None] = []
    monkeypatch.setattr(torch.profiler, "profile", lambda activities: profiler)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    found = kernel_times(Prepared(lambda: calls.append(None), lambda: None))  # type: ignore[arg-type,return-value]

    timed = len(calls) - 1  # the first is not profiled
    assert found == pytest.approx({"chain": 0.6 / timed, "match": 0.14 / timed})


def test_every_kernel_has_a_name_that_the_profile_recognises() -> None:
    from csakit.plugins.locations import CSRC

    text = "".join(path.read_text() for path in CSRC.rglob("*.cu"))

    names = re.findall(r"__global__ void __launch_bounds__\([^{]*?(\w+)\(\s*const Attention", text)
    assert len(names) >= 8
    assert all(name.endswith("Kernel") for name in names)
    assert "chainKernel" in names
