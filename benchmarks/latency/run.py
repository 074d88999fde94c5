"""A whole run: every model, every rival, every case, and the record of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import EngineError
from ...runtime.host import low_precision_instructions
from ...train import checkpoint
from .. import provenance
from ..record import Absent, Measurement, Record, Rival, Scalar
from ..steadiness import doubts
from .backends import Backend, chosen
from .cases import SEED, Case, make_cases, reference
from .cold_start import cold_starts
from .plan import Plan
from .race import Entrant, Race, Say
from .subjects import Subject

_SPINNING: Final = "OMP_WAIT_POLICY"  # how torch's threads wait for each other


def measure(subjects: Sequence[Subject], plan: Plan, folder: Path, say: Say) -> Record:
    """Measure every model.

    Args:
        subjects: the models.
        plan: what, and how often.
        folder: an empty one, for exported files and arrays.
        say: is told how far the run is.

    Returns:
        The record.

    Raises:
        ParityError: a rival computes something else.
        EngineError: no rival can run, or one died while it was timed.
    """
    machine = provenance.machine(plan.processors())
    backends = chosen(plan.backends)
    missing = {backend.name: backend.missing() for backend in backends}
    absent = [Absent(rival=name, reason=reason) for name, reason in missing.items() if reason]
    possible = [backend for backend in backends if not missing[backend.name]]
    cases = make_cases(plan, folder)
    rivals: list[Rival] = []
    measurements: list[Measurement] = []
    for subject in subjects:
        found = _measure(subject, possible, plan, cases, folder, say)
        rivals += found[0]
        measurements += found[1]
        absent += found[2]
    return Record(
        kind="latency",
        date=provenance.now(),
        source=provenance.source(),
        machine=machine,
        libraries=provenance.libraries(_libraries(possible)),
        settings=_settings(plan),
        models=tuple(subject.model for subject in subjects),
        rivals=tuple(rivals),
        measurements=tuple(measurements),
        absent=tuple(absent),
        warnings=tuple(doubts(machine, measurements)),
    )


def _measure(
    subject: Subject,
    backends: Sequence[Backend],
    plan: Plan,
    cases: Sequence[Case],
    folder: Path,
    say: Say,
) -> tuple[list[Rival], list[Measurement], list[Absent]]:
    say(f"exporting {subject.model.name}")
    contenders = subject.contenders(backends, plan, folder)
    source = checkpoint.load(subject.checkpoint)
    expected = [reference(source, case) for case in cases]
    del source  # its memory is wanted by the rivals
    race = Race(plan, cases, expected, folder, say)
    with race.entered(contenders) as (entrants, absent):
        if not entrants:
            reasons = "\n".join(f"{one.rival}: {one.reason}" for one in absent)
            raise EngineError(f"no rival can run {subject.model.name}:\n{reasons}")
        race.run(entrants)
        memory = {entrant.name: entrant.process.ask("memory") for entrant in entrants}
    started = [entrant.contender for entrant in entrants]
    starts = cold_starts(started, plan, cases[0], folder, say)
    rivals = [
        Rival(
            name=contender.name,
            model=subject.model.name,
            what=contender.backend.what,
            form=contender.form,
            cold_starts=starts[contender.name],
            **memory[contender.name],
        )
        for contender in started
    ]
    return rivals, _measurements(subject, entrants, cases, plan), absent


def _measurements(
    subject: Subject, entrants: Sequence[Entrant], cases: Sequence[Case], plan: Plan
) -> list[Measurement]:
    return [
        Measurement(
            rival=entrant.name,
            model=subject.model.name,
            case=case.described(),
            samples_ms=tuple(entrant.samples[index]),
            calls_per_turn=plan.calls,
            parity=entrant.parities[index],
        )
        for index, case in enumerate(cases)
        for entrant in entrants
    ]


def _libraries(backends: Sequence[Backend]) -> list[str]:
    used = [module for backend in backends for module in backend.modules]
    return list(
        dict.fromkeys(
            ("numpy", *used, *(("onnx",) if {"onnxruntime", "openvino"} & {*used} else ()))
        )
    )


def _settings(plan: Plan) -> dict[str, Scalar]:
    return {
        "threads": plan.used_threads,
        "rounds": plan.rounds,
        "calls": plan.calls,
        "lead": plan.lead,
        "warmup_calls": plan.warmup_calls,
        "warmup_seconds": plan.warmup_seconds,
        "mask_seed": SEED,
        "low_precision_instructions": " ".join(low_precision_instructions()),
        "omp_wait_policy": os.environ.get(_SPINNING, "default"),
    }
