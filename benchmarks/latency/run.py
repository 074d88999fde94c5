"""Run the latency benchmark: every model, backend and case; return its record."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import EngineError
from ...runtime.host import low_precision_instructions
from ...runtime.tensors.pixels import Float32
from ...train import checkpoint
from .. import environment
from ..record import Absent, Backend, ColdStart, Measurement, Record, Scalar, timing_warnings
from .backends import BackendSpec, chosen
from .cases import SEED, Case, make_cases, reference
from .interleave import InterleavedRun, Progress
from .models import ModelSource
from .plan import Plan

_SPINNING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # how torch's threads wait for each other


def measure(sources: Sequence[ModelSource], plan: Plan, folder: Path, progress: Progress) -> Record:
    """Return the record of all models; ``folder``, which is empty, receives exported files."""
    machine = environment.environment(plan.processors())
    backends = chosen(plan.backends)
    missing = {backend.name: backend.missing() for backend in backends}
    absent = [Absent(backend=name, reason=reason) for name, reason in missing.items() if reason]
    possible = [backend for backend in backends if not missing[backend.name]]
    cases = make_cases(plan)
    results: list[Backend] = []
    measurements: list[Measurement] = []
    for source in sources:
        found = _measure(source, possible, plan, cases, folder, progress)
        results += found[0]
        measurements += found[1]
        absent += found[2]
    used = [module for backend in possible for module in backend.modules]
    exporting = ["onnx"] if {"onnxruntime", "openvino"} & {*used} else []
    names = ("rounds", "calls", "lead", "warmup_calls", "warmup_seconds")
    settings: dict[str, Scalar] = {
        "threads": plan.used_threads,
        **{name: getattr(plan, name) for name in names},
        "mask_seed": SEED,
        "low_precision_instructions": " ".join(low_precision_instructions()),
        **{name.lower(): os.environ.get(name, "default") for name in _SPINNING},
    }
    return Record(
        kind="latency",
        date=environment.now(),
        source=environment.source(),
        environment=machine,
        libraries=environment.libraries(dict.fromkeys(("numpy", *used, *exporting))),
        settings=settings,
        models=tuple(source.model for source in sources if source.model),
        backends=tuple(results),
        measurements=tuple(measurements),
        absent=tuple(absent),
        warnings=tuple(timing_warnings(machine, measurements)),
    )


def _measure(
    source: ModelSource,
    backends: Sequence[BackendSpec],
    plan: Plan,
    cases: Sequence[Case],
    folder: Path,
    progress: Progress,
) -> tuple[list[Backend], list[Measurement], list[Absent]]:
    name = source.model.name if source.model else None
    if name:
        progress(f"exporting {name}")
    candidates = source.candidates(backends, plan, folder)
    expected = _expected(source, cases)
    run = InterleavedRun(plan, cases, expected, folder, progress)
    with run.opened(candidates) as (timed, absent):
        if not timed:
            reasons = "\n".join(f"{one.backend}: {one.reason}" for one in absent)
            raise EngineError(f"no backend can run {name or 'the model'}:\n{reasons}")
        run.measure(timed)
        peaks = [one.process.ask("peak_host_bytes") for one in timed]
    measurements = [
        Measurement(
            backend=one.candidate.name,
            model=name,
            case=case.described(),
            samples_ms=tuple(one.samples[index]),
            calls_per_round=plan.calls,
            parity=one.parities[index],
        )
        for index, case in enumerate(cases)
        for one in timed
    ]
    starts: list[list[ColdStart]] = []
    for number in range(plan.cold_starts):
        progress(f"cold start {number + 1} of {plan.cold_starts}")
        starts.append([run.cold_start(one.candidate) for one in timed])
    results = [
        Backend(
            name=one.candidate.name,
            model=name,
            description=one.candidate.backend.description,
            options=one.candidate.options,
            cold_starts=tuple(round_[index] for round_ in starts),
            peak_host_bytes=peaks[index],
        )
        for index, one in enumerate(timed)
    ]
    return results, measurements, absent


def _expected(source: ModelSource, cases: Sequence[Case]) -> list[Float32]:
    """Return the results of the torch model, whose memory is freed for the backends."""
    if source.checkpoint is None:
        return []
    model = checkpoint.load(source.checkpoint)
    return [reference(model, case) for case in cases]
