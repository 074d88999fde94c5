"""The kernels are called as the benchmark calls them: on a CPU that plays a GPU, and on a GPU."""

import numpy as np
import pytest
import torch
from csakit.benchmarks.attention.cuda_forms import KernelRun
from csakit.benchmarks.attention.forms import GPU, find_forms
from csakit.benchmarks.attention.measure import Plan, measure, parity
from csakit.benchmarks.attention.problems import DTYPES, Case, DtypeName, make_problem
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import SIMILARITIES, Similarity
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
