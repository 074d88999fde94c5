"""Time all candidates of a model, each in its own process, interleaved; one works at a time."""

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np

from ...export.parity.limits import LIMITS, limit_of
from ...plugins.errors import ContractError, EngineError, ParityError
from ...runtime.contract import OUTPUT
from ...runtime.tensors.pixels import Float32
from ...train.evaluation.metrics import hole_psnr
from ..record import Absent, ColdStart, Parity, Scalar, without_paths
from .cases import Case
from .models import Candidate
from .plan import Plan
from .worker import Process

Progress = Callable[[str], None]
_SEED: Final = 2019  # of the order within a round
_REFERENCE: Final = "the torch model, float32"


@dataclasses.dataclass
class Timed:
    """A candidate while it is timed: samples, and the worst parity so far, of each case."""

    candidate: Candidate
    process: Process
    samples: list[list[float]]
    parities: list[Parity | None]


@dataclasses.dataclass(frozen=True)
class InterleavedRun:
    """The plan and the inputs of an interleaved run, and its methods."""

    plan: Plan  # how often
    cases: Sequence[Case]  # the inputs
    expected: Sequence[Float32]  # results of the torch model; empty if not compared
    folder: Path  # for compiled code, which later starts reuse, as a user's would
    progress: Progress  # called with each step that begins

    @contextlib.contextmanager
    def opened(self, candidates: Sequence[Candidate]) -> Iterator[tuple[list[Timed], list[Absent]]]:
        """Open all candidates and check every case; yield those that can run, and the absent."""
        checked: list[Timed] = []
        absent: list[Absent] = []
        with contextlib.ExitStack() as stack:
            for candidate in candidates:
                self.progress(f"opening and checking {candidate.name}")
                process = self._start(candidate)
                stack.callback(process.close)
                try:
                    process.ask("open", **self._opening(candidate))
                    process.ask("add_cases", inputs=[(c.image, c.hole) for c in self.cases])
                    for index in range(len(self.cases)):
                        process.ask("run", case=index)
                except EngineError as error:
                    process.close()
                    absent.append(Absent(backend=candidate.name, reason=without_paths(str(error))))
                    continue
                one = Timed(candidate, process, [[] for _ in self.cases], [])
                one.parities = [self._parity(one, index) for index in range(len(self.cases))]
                checked.append(one)
            yield checked, absent

    def measure(self, timed: Sequence[Timed]) -> None:
        """Warm up, then take samples round by round; check the last results too."""
        plan = self.plan
        for one in timed:
            self.progress(f"warming up {one.candidate.name}")
            for index in range(len(self.cases)):
                one.process.ask(
                    "warm_up", case=index, calls=plan.warmup_calls, seconds=plan.warmup_seconds
                )
        shuffled, order = random.Random(_SEED), list(timed)
        for round_ in range(plan.rounds):
            self.progress(f"round {round_ + 1} of {plan.rounds}")
            for index in range(len(self.cases)):
                shuffled.shuffle(order)  # so that none always follows the same one
                for one in order:
                    one.samples[index] += one.process.ask(
                        "run", case=index, lead=plan.lead, calls=plan.calls
                    )
        for one in timed:
            for index, before in enumerate(one.parities):
                after = self._parity(one, index)
                worse = max(filter(None, (before, after)), key=attrgetter("max_abs"), default=None)
                one.parities[index] = worse

    def cold_start(self, candidate: Candidate) -> ColdStart:
        """Time a fresh process up to its first result, with its files cached and compiled."""
        process = self._start(candidate)
        with contextlib.closing(process):
            import_ms, load_ms = process.ask("open", **self._opening(candidate))
            process.ask("add_cases", inputs=[(self.cases[0].image, self.cases[0].hole)])
            (first_ms,) = process.ask("run", case=0)
            total_ms = (time.perf_counter() - process.started) * 1e3
            peak = process.ask("peak_host_bytes")
        return ColdStart(
            import_ms=import_ms,
            load_ms=load_ms,
            first_ms=first_ms,
            total_ms=round(total_ms, 4),
            peak_host_bytes=peak,
        )

    def _start(self, candidate: Candidate) -> Process:
        plan, cache = self.plan, self.folder / "compiled"
        return Process(candidate.name, plan.used_threads, plan.processors(), cache)

    def _opening(self, candidate: Candidate) -> dict[str, object]:
        return {
            "opener": candidate.backend.opener,
            "session": candidate.backend.session,
            "modules": candidate.backend.modules,
            "file": candidate.file,
            "threads": self.plan.used_threads,
        }

    def _parity(self, one: Timed, index: int) -> Parity | None:
        """Return the parity of a case's latest result with torch's; None if not compared."""
        case, found = self.cases[index], one.process.ask("result", case=index)
        if not one.candidate.compared:
            if not np.isfinite(found).all():
                raise ParityError(f"{one.candidate.name} returns NaN or infinity on {case.name}")
            return None
        parity = compare(found, self.expected[index], case, one.candidate.options)
        if not parity.passed:
            raise ParityError(
                f"{one.candidate.name} differs from {parity.reference}, so it is not timed: on "
                f"{case.name} max abs is {parity.max_abs:.2g} (limit {parity.max_abs_limit}) and "
                f"PSNR {parity.psnr_db} dB (limit {parity.psnr_db_limit})"
            )
        return parity


def compare(found: Float32, expected: Float32, case: Case, options: Mapping[str, Scalar]) -> Parity:
    """Compare results (B, 3, H, W) with those of the torch model; the worst image counts."""
    if found.shape != expected.shape:
        raise ContractError(f"a result must have shape {expected.shape}; got {found.shape}")
    psnr_db = min(map(hole_psnr, found, expected, case.hole[:, 0] > 0.5))
    if options["precision"] not in LIMITS:
        raise ContractError(
            f"a precision must be one of {', '.join(LIMITS)}, for which limits are stated; got "
            f"{options['precision']!r}"
        )
    limit = limit_of(OUTPUT, options["precision"], options["io"])  # type: ignore[arg-type]
    return Parity(
        reference=_REFERENCE,
        images=case.batch,
        max_abs=float(np.abs(found.astype(np.float64) - expected).max()),
        psnr_db=None if psnr_db == math.inf else psnr_db,
        max_abs_limit=limit.max_abs,
        psnr_db_limit=limit.psnr_db,
    )
