"""Rivals taking turns, each in its own process; only one works at a time."""

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import EngineError
from ...runtime.tensors.pixels import Float32
from ..record import Absent, Parity
from ..record_file import without_paths
from . import parity
from .cases import Case
from .plan import Plan
from .process import Process, started
from .subjects import Contender

Say = Callable[[str], None]
_SEED: Final = 2019  # of the order of turns


@dataclasses.dataclass
class Entrant:
    """One rival while it is timed.

    Attributes:
        contender: what it is.
        process: of the worker.
        samples: of each case, in the order they ran.
        parities: of each case, the worst so far.
    """

    contender: Contender
    process: Process
    samples: list[list[float]]
    parities: list[Parity]

    @property
    def name(self) -> str:
        """Of the rival."""
        return self.contender.name


@dataclasses.dataclass(frozen=True)
class Race:
    """All rivals of one model on all cases.

    Attributes:
        plan: how often.
        cases: the inputs.
        expected: results of the torch model, one for each case.
        folder: for arrays and caches.
        say: is told how far the run is.
    """

    plan: Plan
    cases: Sequence[Case]
    expected: Sequence[Float32]
    folder: Path
    say: Say

    @contextlib.contextmanager
    def entered(
        self, contenders: Sequence[Contender]
    ) -> Iterator[tuple[list[Entrant], list[Absent]]]:
        """Open all rivals and let each run every case once; their processes end with the block.

        Args:
            contenders: who asks to start.

        Yields:
            Those whose results were right, and those that cannot run, with the reason.

        Raises:
            ParityError: a result was wrong.
        """
        entrants: list[Entrant] = []
        absent: list[Absent] = []
        with contextlib.ExitStack() as stack:
            for contender in contenders:
                self.say(f"opening and checking {contender.name}")
                cache = self.folder / "compiled"
                worker = started(contender.name, self.plan.used_threads, cache)
                entrant = Entrant(contender, stack.enter_context(worker), [], [])
                try:
                    entrant.process.ask("open", **opening(contender, self.plan))
                    for case in self.cases:
                        entrant.process.ask("run", case=case.arguments())
                except EngineError as error:
                    entrant.process.close()
                    reason = without_paths(str(error))
                    absent.append(Absent(rival=contender.name, reason=reason))
                    continue
                entrant.samples = [[] for _ in self.cases]
                entrant.parities = [
                    self._parity(entrant, index) for index in range(len(self.cases))
                ]
                entrants.append(entrant)
            yield entrants, absent

    def run(self, entrants: Sequence[Entrant]) -> None:
        """Warm up, then take turns; the results of the last turn are checked too.

        Args:
            entrants: who was checked; their samples are filled.

        Raises:
            EngineError: a rival died.
            ParityError: a result was wrong.
        """
        plan = self.plan
        warm_up = {"calls": plan.warmup_calls, "seconds": plan.warmup_seconds}
        for entrant in entrants:
            self.say(f"warming up {entrant.name}")
            for case in self.cases:
                entrant.process.ask("warm", case=case.arguments(), **warm_up)
        shuffled, order = random.Random(_SEED), list(entrants)
        for round_ in range(plan.rounds):
            self.say(f"round {round_ + 1} of {plan.rounds}")
            for index, case in enumerate(self.cases):
                shuffled.shuffle(order)  # nobody always follows the same one
                for entrant in order:
                    turn = {"lead": plan.lead, "calls": plan.calls}
                    answer = entrant.process.ask("time", case=case.arguments(), **turn)
                    entrant.samples[index] += answer["samples_ms"]
        for entrant in entrants:
            for index, before in enumerate(entrant.parities):
                entrant.parities[index] = parity.worse(before, self._parity(entrant, index))

    def _parity(self, entrant: Entrant, index: int) -> Parity:
        """Compare the latest result of a case with that of the torch model."""
        case, output = self.cases[index], self.folder / "result.npy"
        entrant.process.ask("save", case=case.arguments(), output=str(output))
        found = np.load(output, allow_pickle=False)
        compared = parity.compare(found, self.expected[index], case, entrant.contender.form)
        parity.require(compared, entrant.name, case)
        return compared


def opening(contender: Contender, plan: Plan) -> dict[str, object]:
    """Give the arguments of the request that opens a rival."""
    return {
        "opener": contender.backend.opener,
        "file": str(contender.file),
        "threads": plan.used_threads,
        "cpus": plan.processors(),
    }
