"""The kernels are called as the benchmark calls them: on a CPU that plays a GPU, and on a GPU."""

import dataclasses

import numpy as np
import pytest
import torch
from csakit.benchmarks.attention import gpu_probe
from csakit.benchmarks.attention.cuda_forms import LAUNCHES, KernelRun
from csakit.benchmarks.attention.forms import GPU, find_forms
from csakit.benchmarks.attention.measure import Plan, measure, parity
from csakit.benchmarks.attention.problems import DTYPES, Case, DtypeName, make_problem
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.played_cuda import PlayedGpu
from helpers.simt_tensors import TensorLibrary


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("similarity", SIMILARITIES)
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


TINY = Case(holes=12, channels=16, side=8, dtype="float16")
LIMITS = {"copy_gb_per_s": 4000.0, "float16_tflops": 800.0, "sm_mhz": 2000.0}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> PlayedGpu:
    monkeypatch.setattr(gpu_probe, "measure_limits", lambda: LIMITS)
    monkeypatch.setattr(gpu_probe, "kernel_times", lambda prepared: {"chain": 0.01})
    return PlayedGpu(monkeypatch)


def test_every_form_of_a_gpu_is_checked_and_timed_on_a_played_one(gpu: PlayedGpu) -> None:
    plan = Plan(cases=[TINY], forms=find_forms(GPU, threads=1), seconds=0.01)

    record = measure(plan)

    assert record.checks == ()
    assert [measured.rival for measured in record.measurements] == list(GPU)
    assert {len(graph.calls) for graph in gpu.captured} == {LAUNCHES}
    for measured in record.measurements:
        assert measured.device is not None
        assert len(measured.device.compute_ms) == len(measured.samples_ms)
        assert min(measured.device.compute_ms) > 0
    kernels = {m.rival: m.device.kernels_ms for m in record.measurements if m.device}
    assert kernels.pop("cuda") == {"chain": 0.01}
    assert not any(kernels.values())
    assert record.settings["sm_mhz"] == 2000.0


def test_a_graph_that_computes_nothing_is_found_wrong(
    gpu: PlayedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.played_cuda.Graph.replay", lambda graph: None)

    record = measure(Plan(cases=[TINY], forms=find_forms(["cuda-graph"], 1), seconds=0.01))

    assert record.measurements == ()
    assert [check.outcome for check in record.checks] == ["failed"]
    assert "off by inf" in record.checks[0].reason


@pytest.mark.usefixtures("gpu")
def test_without_a_profiler_the_times_stand_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: object) -> dict[str, float]:
        raise RuntimeError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES in /usr/lib/libcupti.so")

    monkeypatch.setattr(gpu_probe, "kernel_times", refused)

    record = measure(Plan(cases=[TINY], forms=find_forms(["cuda"], 1), seconds=0.01))

    assert len(record.measurements) == 1
    assert record.warnings[:2] == (
        "the profiler failed: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES in libcupti.so",
        "no times of single kernels: the profiler saw none",
    )


@pytest.mark.usefixtures("gpu")
def test_the_loop_takes_one_image_on_a_gpu() -> None:
    case = dataclasses.replace(TINY, batch=2)

    record = measure(Plan(cases=[case], forms=find_forms(GPU, 1), seconds=0.01))

    assert [absent.rival for absent in record.absent] == ["python-loop-cuda"]
    assert "image after image" in record.absent[0].reason


@pytest.mark.gpu
def test_the_forms_of_a_gpu_are_right_and_timed_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    from helpers.cuda_device import native_library

    monkeypatch.setenv(LIBRARY_VARIABLE, str(native_library().path))
    load.cache_clear()
    case = Case(holes=40, channels=64, side=16)

    record = measure(Plan(cases=[case], forms=find_forms(GPU, threads=1), seconds=0.1))

    load.cache_clear()
    assert record.checks == ()
    assert [measured.rival for measured in record.measurements] == list(GPU)
    for measured in record.measurements:
        assert measured.device is not None
        assert 0 < min(measured.device.compute_ms) <= max(measured.samples_ms)
    assert record.machine.gpu is not None
    assert 300 < record.settings["sm_mhz"] < 4000
    assert record.settings["copy_gb_per_s"] > 10
    kernels = next(m.device.kernels_ms for m in record.measurements if m.rival == "cuda")
    assert set(kernels) in (set(), {"prepare", "match", "gram", "chain", "fill"})
