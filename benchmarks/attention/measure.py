"""Check every form against the oracle, then time all of them in turn, case by case."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ...plugins.reference import coherent_semantic_attention as oracle
from .. import provenance
from ..record import Absent, Check, DeviceTimes, Measurement, Parity, Record, Rival, Scalar
from ..record_file import without_paths
from ..steadiness import doubts
from .forms import Floats, Form, Prepared
from .problems import SEED, Case, Problem, make_problem

TURNS_MIN: Final = 5  # a median of fewer is a guess
TURNS_MAX: Final = 50
GPU_WARM_UP_SECONDS: Final = 0.3  # waiting for the oracle lowers its clock, on an H200 to a sixth
REFERENCE: Final = "the oracle, NumPy float64"
# Of the largest value. Sums of 512 products in float32 in any order, along a chain of blends:
# 3e-7 was seen. A wrong position or chunk changes more than 1e-3.
FLOAT32_ERROR: Final = 5e-6
_ROUNDING: Final = {"float32": 0.0, "float16": 2.0**-11}  # half a unit in the last place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        cases: on which sizes.
        forms: of the operator.
        seconds: of timing, for each case; a slow form still has ``TURNS_MIN`` turns.
        threads: that the forms were told to use.
    """

    cases: Sequence[Case]
    forms: Sequence[Form]
    seconds: float = 2.0
    threads: int = 2

    def __post_init__(self) -> None:
        """Refuse a plan that measures nothing."""
        if not self.cases or not self.forms or not 0 < self.seconds < float("inf"):
            raise ContractError(
                "a benchmark must have cases, rivals and more than 0 seconds; got "
                f"{len(self.cases)} cases, {len(self.forms)} rivals, {self.seconds} seconds"
            )


@dataclasses.dataclass
class _Findings:
    """What was found so far."""

    measurements: list[Measurement] = dataclasses.field(default_factory=list)
    checks: list[Check] = dataclasses.field(default_factory=list)
    absent: list[Absent] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def measure(plan: Plan, progress: Callable[[str], None] = lambda _: None) -> Record:
    """Measure a plan.

    Args:
        plan: what.
        progress: is told which case begins.

    Returns:
        The record. A form that computes something else is not timed: the record has a failed
        check instead. What a form does not take is among the absent.
    """
    findings = _Findings()
    on_gpu = any(form.on_gpu for form in plan.forms)
    machine = provenance.machine(gpu=provenance.first_gpu() if on_gpu else None)
    settings: dict[str, Scalar] = {
        "seed": SEED,
        "threads": plan.threads,
        "seconds_per_case": plan.seconds,
    }
    for case in plan.cases:
        progress(str(case))
        _measure_case(case, plan, findings)
    if on_gpu:
        from .gpu_probe import measure_limits  # deferred: imports torch

        progress("limits of the GPU")
        settings |= measure_limits()
        _profile(plan, findings, progress)
    timed = {measured.rival for measured in findings.measurements}
    return Record(
        kind="attention",
        date=provenance.now(),
        source=provenance.source(),
        machine=machine,
        libraries=provenance.libraries(),
        settings=settings,
        rivals=tuple(
            Rival(name=form.name, what=form.what, form={"calls_per_sample": form.calls})
            for form in plan.forms
            if form.name in timed
        ),
        measurements=tuple(findings.measurements),
        absent=tuple(findings.absent),
        warnings=(*findings.warnings, *doubts(machine, findings.measurements)),
        checks=tuple(findings.checks),
    )


def parity(problem: Problem, filled: Floats, expected: Floats, storage: str) -> Parity:
    """Compare a result with the oracle's.

    Args:
        problem: that was computed.
        filled: (B, C, S, S), the result.
        expected: (B, C, S, S), the oracle's.
        storage: type that the result was rounded to.

    Returns:
        How far they are apart. Known positions must pass unchanged: where one does not, the
        difference counts as infinite.
    """
    known = np.broadcast_to(problem.hole == 0, filled.shape)
    unchanged = np.array_equal(filled[known], problem.features[known].astype(np.float32))
    largest = float(np.abs(expected).max(initial=0.0))
    return Parity(
        reference=REFERENCE,
        images=problem.case.batch,
        max_abs=float(np.abs(filled - expected).max(initial=0.0)) if unchanged else float("inf"),
        max_abs_limit=(FLOAT32_ERROR + 1.01 * _ROUNDING[storage]) * largest,
    )


def _measure_case(case: Case, plan: Plan, findings: _Findings) -> None:
    """Prepare, check and time the forms that take the case."""
    problem = make_problem(case)
    expected = oracle(problem.features, problem.hole, case.similarity).astype(np.float32)
    ready: list[tuple[Form, Prepared, Parity]] = []
    for form in plan.forms:
        if reason := form.refusal(case):
            absent = Absent(rival=form.name, reason=reason)
            findings.absent += [absent] if absent not in findings.absent else []
            continue
        prepared = form.prepare(problem)
        prepared.call()
        found = parity(problem, prepared.result(), expected, form.storage or case.dtype)
        if found.passed:
            ready.append((form, prepared, found))
        else:
            findings.checks.append(_wrong(form, case, found))
    samples = _turns([(form, prepared) for form, prepared, _ in ready], plan.seconds)
    for (form, _, found), (host, device) in zip(ready, samples, strict=True):
        findings.measurements.append(
            Measurement(
                rival=form.name,
                case=dataclasses.asdict(case),
                samples_ms=tuple(host),
                parity=found,
                device=_device_times(device) if form.on_gpu else None,
            )
        )


def _wrong(form: Form, case: Case, found: Parity) -> Check:
    return Check(
        name=f"{form.name} computes what the oracle does",
        outcome="failed",
        reason=f"{case}: off by {found.max_abs:.1e}, {found.max_abs_limit:.1e} allowed",
    )


def _turns(
    forms: Sequence[tuple[Form, Prepared]], seconds: float
) -> list[tuple[list[float], list[float]]]:
    """Let the forms take turns for a while; give host and device times of each, in ms a call.

    What warms up is not counted: one round, or as many as a GPU takes to raise its clock.
    """

    def turn() -> list[tuple[float, float]]:
        return [_sample(form, prepared) for form, prepared in forms]

    on_gpu = any(form.on_gpu for form, _ in forms)
    warm_up, start = min(GPU_WARM_UP_SECONDS, seconds) if on_gpu else 0.0, time.perf_counter()
    turn()
    while on_gpu and time.perf_counter() - start < warm_up:
        turn()
    samples: list[tuple[list[float], list[float]]] = [([], []) for _ in forms]
    start, turns = time.perf_counter(), 0
    while turns < TURNS_MIN or (turns < TURNS_MAX and time.perf_counter() - start < seconds):
        for (host_ms, device_ms), (host, device) in zip(turn(), samples, strict=True):
            host.append(host_ms)
            device.append(device_ms)
        turns += 1
    return samples


def _sample(form: Form, prepared: Prepared) -> tuple[float, float]:
    """Time one sample by the host's clock and, on a GPU, by events; ms for each computation."""

    def work() -> None:
        for _ in range(form.calls):
            prepared.call()

    computations, device_ms = form.calls * prepared.times, 0.0
    start = time.perf_counter()
    if form.on_gpu:
        from .gpu_probe import event_ms  # deferred: imports torch

        device_ms = event_ms(work)  # waits for the device
    else:
        work()
    host_ms = (time.perf_counter() - start) * 1e3
    return host_ms / computations, device_ms / computations


def _device_times(compute: list[float]) -> DeviceTimes:
    """State that nothing was copied: inputs and results stay on the device."""
    nothing = (0.0,) * len(compute)
    return DeviceTimes(to_device_ms=nothing, compute_ms=tuple(compute), to_host_ms=nothing)


def _profile(plan: Plan, findings: _Findings, progress: Callable[[str], None]) -> None:
    """Add the times of the kernels to what was measured of ``cuda`` with one image."""
    from .gpu_probe import kernel_times  # deferred: imports torch

    for index, measured in enumerate(findings.measurements):
        case = Case(**dict(measured.case))  # type: ignore[arg-type]
        if measured.rival != "cuda" or case.batch != 1 or measured.device is None:
            continue
        progress(f"kernels, {case}")
        form = next(form for form in plan.forms if form.name == "cuda")
        prepared = form.prepare(make_problem(case))
        try:
            kernels = kernel_times(prepared)
        except Exception as error:  # it needs NVIDIA's profiling library and a right to use it
            kernels = {}
            findings.warnings.append(f"the profiler failed: {without_paths(str(error))[:200]}")
        if not kernels:
            findings.warnings.append("no times of single kernels: the profiler saw none")
            return
        device = dataclasses.replace(measured.device, kernels_ms=kernels)
        findings.measurements[index] = dataclasses.replace(measured, device=device)
