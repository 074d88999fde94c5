"""Check every implementation against the oracle, then time all of them interleaved, by case."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import torch
from torch.utils.benchmark import timer  # waits for the GPU, where there is one

from ...plugins.errors import ContractError
from ...plugins.reference import coherent_semantic_attention as oracle
from .. import environment
from ..record import (
    Absent,
    Backend,
    Check,
    DeviceTimes,
    Measurement,
    Parity,
    Record,
    timing_warnings,
    without_paths,
)
from .cases import SEED, Case, Problem, make_problem
from .implementations import GPU, NAMES, Floats, Implementation, Prepared
from .report import targets

ROUNDS_MIN: Final = 5  # a median of fewer is a guess
ROUNDS_MAX: Final = 50
GPU_WARM_UP_SECONDS: Final = 0.3  # waiting for the oracle lowers its clock, on an H200 to a sixth
REFERENCE: Final = "the oracle, NumPy float64"
# Of the largest value. Sums of 512 products in float32 in any order, along a chain of blends:
# 3e-7 was seen. A wrong position or chunk changes more than 1e-3.
FLOAT32_ERROR: Final = 5e-6
_ROUNDING: Final = {"float32": 0.0, "float16": 2.0**-11}  # half a unit in the last place
_PROFILED_CALLS: Final = 20

Progress = Callable[[str], None]
Samples = list[tuple[float, ...]]  # ms of the host and of the device


def find_implementations(names: Sequence[str], threads: int) -> list[Implementation]:
    """Return the named implementations, in the order of ``NAMES``."""
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise ContractError(f"backends must be of {', '.join(NAMES)}; got {', '.join(unknown)!r}")
    if threads < 1:
        raise ContractError(f"threads must be at least 1; got {threads}")
    found: list[Implementation] = []
    if set(names) & {"oracle", "python-loop", "torch"}:
        from .host_forms import host_forms  # deferred, as below: packages may be missing

        found += host_forms(threads)
    if "ort" in names:
        from .ort_form import ort_form

        found.append(ort_form(threads))
    if set(names) & set(GPU):
        from .cuda_forms import cuda_forms

        found += cuda_forms(names)
    return [one for one in found if one.name in names]


def measure(
    cases: Sequence[Case],
    implementations: Sequence[Implementation],
    seconds: float = 2.0,
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> Iterator[Record]:
    """Check and time all implementations on all cases; yield the record after every case.

    The last record also has the profile of the kernels and the targets.
    """
    if not cases or not implementations or not 0 < seconds < float("inf"):
        raise ContractError(
            "a benchmark must have cases, backends and more than 0 seconds; got "
            f"{len(cases)} cases, {len(implementations)} backends, {seconds} seconds"
        )
    on_gpu = any(one.on_gpu for one in implementations)
    record = Record(
        kind="attention",
        date=environment.now(),
        source=environment.source(),
        environment=environment.environment(gpu=environment.first_gpu() if on_gpu else None),
        libraries=environment.libraries(),
        settings={"seed": SEED, "threads": threads, "seconds_per_case": seconds},
        backends=tuple(
            Backend(name=i.name, description=i.description, options={"calls_per_sample": i.calls})
            for i in implementations
        ),
        measurements=(),
    )
    for case in cases:
        progress(str(case))
        record = _with_case(record, case, implementations, seconds)
        yield record
    if on_gpu:
        progress("single kernels")
        cuda = next((one for one in implementations if one.name == "cuda"), None)
        record = _profiled(record, cuda) if cuda else record
        record = dataclasses.replace(record, checks=(*record.checks, *targets(record)))
    found = timing_warnings(record.environment, record.measurements)
    yield dataclasses.replace(record, warnings=(*record.warnings, *found))


def parity(problem: Problem, filled: Floats, expected: Floats, storage: str) -> Parity:
    """Compare a result (B, C, S, S), rounded to ``storage``, with the oracle's."""
    known = np.broadcast_to(problem.hole == 0, filled.shape)
    unchanged = np.array_equal(filled[known], problem.features[known].astype(np.float32))
    largest = float(np.abs(expected).max(initial=0.0))
    return Parity(
        reference=REFERENCE,
        images=problem.case.batch,
        max_abs=float(np.abs(filled - expected).max(initial=0.0)) if unchanged else float("inf"),
        max_abs_limit=(FLOAT32_ERROR + 1.01 * _ROUNDING[storage]) * largest,
    )


def event_ms(work: Callable[[], object]) -> float:
    """Time work on the device, by events on the current stream."""
    begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def kernel_times(prepared: Prepared) -> dict[str, float]:
    """Return ms of each libcsakit kernel from a profile, which slows later launches."""
    prepared.call()
    torch.cuda.synchronize()
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(_PROFILED_CALLS):
            prepared.call()
        torch.cuda.synchronize()
    found: dict[str, float] = {}
    for event in profiler.key_averages():
        if named := re.search(r"\bcsakit::.*?(\w+)Kernel\b", event.key):
            ms = event.self_device_time_total / 1e3 / _PROFILED_CALLS
            found[named[1]] = found.get(named[1], 0.0) + ms
    return found


def _with_case(
    record: Record, case: Case, implementations: Sequence[Implementation], seconds: float
) -> Record:
    """Return the record with one more case: set up, checked and timed."""
    problem = make_problem(case)
    expected = oracle(problem.features, problem.hole, case.similarity).astype(np.float32)
    checks, absent = list(record.checks), list(record.absent)
    ready: list[tuple[Implementation, Prepared, Parity]] = []
    for one in implementations:
        if reason := one.refusal(case):
            absent.append(Absent(backend=one.name, reason=reason))
            continue
        prepared = one.prepare(problem)
        prepared.call()
        found = parity(problem, prepared.result(), expected, one.storage or case.dtype)
        if found.passed:
            ready.append((one, prepared, found))
        else:
            reason = f"{case}: off by {found.max_abs:.1e}, {found.max_abs_limit:.1e} allowed"
            name = f"{one.name} computes what the oracle does"
            checks.append(Check(name=name, outcome="failed", reason=reason))
    samples = _interleaved([(one, prepared) for one, prepared, _ in ready], seconds)
    measurements = [
        Measurement(
            backend=one.name,
            case=dataclasses.asdict(case),
            samples_ms=host,
            parity=found,
            device=DeviceTimes(compute_ms=device) if one.on_gpu else None,
        )
        for (one, _, found), (host, device) in zip(ready, samples, strict=True)
    ]
    return dataclasses.replace(
        record,
        measurements=(*record.measurements, *measurements),
        checks=tuple(checks),
        absent=tuple(dict.fromkeys(absent)),
    )


def _interleaved(ready: Sequence[tuple[Implementation, Prepared]], seconds: float) -> list[Samples]:
    """Return samples of each, one per round, after an untimed round or the warm-up of a GPU."""

    def round_() -> list[tuple[float, float]]:
        return [_sample(one, prepared) for one, prepared in ready]

    on_gpu = any(one.on_gpu for one, _ in ready)
    warm_up, start = min(GPU_WARM_UP_SECONDS, seconds) if on_gpu else 0.0, timer()
    round_()
    while on_gpu and timer() - start < warm_up:
        round_()
    rounds: list[list[tuple[float, float]]] = []
    start = timer()
    while len(rounds) < ROUNDS_MIN or (len(rounds) < ROUNDS_MAX and timer() - start < seconds):
        rounds.append(round_())
    return [[*zip(*of_one, strict=True)] for of_one in zip(*rounds, strict=True)]


def _sample(one: Implementation, prepared: Prepared) -> tuple[float, float]:
    """Return ms per computation of one sample, by the host's clock and, on a GPU, by events."""

    def work() -> None:
        for _ in range(one.calls):
            prepared.call()

    computations, device_ms = one.calls * prepared.times, 0.0
    start = timer()
    if one.on_gpu:
        device_ms = event_ms(work)  # waits for the device
    else:
        work()
    host_ms = (timer() - start) * 1e3
    return host_ms / computations, device_ms / computations


def _profiled(record: Record, cuda: Implementation) -> Record:
    """Add kernel times to the measurements of ``cuda`` at batch 1."""
    measurements, warning = [], None
    for measured in record.measurements:
        device, case = measured.device, Case(**dict(measured.case))  # type: ignore[arg-type]
        if measured.backend == cuda.name and case.batch == 1 and device and not warning:
            try:
                kernels = kernel_times(cuda.prepare(make_problem(case)))
                device = dataclasses.replace(device, kernels_ms=kernels)
                warning = None if kernels else "no times of single kernels: the profiler saw none"
            except Exception as error:  # needs NVIDIA's profiling library, and permission
                warning = f"the profiler failed: {without_paths(str(error))[:200]}"
        measurements.append(dataclasses.replace(measured, device=device))
    warnings = (*record.warnings, warning) if warning else record.warnings
    return dataclasses.replace(record, measurements=tuple(measurements), warnings=warnings)
