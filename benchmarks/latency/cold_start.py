"""Cold starts: a fresh process up to its first result, several times, rivals in turn.

The files lie in the page cache and Python's own are compiled: what a restart of a service
sees, not a reboot.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from ..record import ColdStart
from .cases import Case
from .plan import Plan
from .process import started
from .race import Say, opening
from .subjects import Contender


def cold_starts(
    contenders: Sequence[Contender], plan: Plan, case: Case, folder: Path, say: Say
) -> dict[str, tuple[ColdStart, ...]]:
    """Start every rival several times.

    Args:
        contenders: who starts.
        plan: how often, on how many threads.
        case: what the first inference is of.
        folder: for caches; what was compiled at an earlier start is used again, as by users.
        say: is told how far the run is.

    Returns:
        Rival to its starts.

    Raises:
        EngineError: a rival failed.
    """
    found: dict[str, list[ColdStart]] = {contender.name: [] for contender in contenders}
    for number in range(plan.cold_starts):
        say(f"cold start {number + 1} of {plan.cold_starts}")
        for contender in contenders:
            found[contender.name].append(_cold_start(contender, plan, case, folder))
    return {name: tuple(starts) for name, starts in found.items()}


def _cold_start(contender: Contender, plan: Plan, case: Case, folder: Path) -> ColdStart:
    with started(contender.name, plan.used_threads, folder / "compiled") as process:
        opened = process.ask("open", **opening(contender, plan))
        first = process.ask("run", case=case.arguments())
        total_ms = (time.perf_counter() - process.started) * 1e3
        memory = process.ask("memory")
    return ColdStart(
        import_ms=opened["import_ms"],
        load_ms=opened["load_ms"],
        first_ms=first["ms"],
        total_ms=round(total_ms, 4),
        peak_host_bytes=memory["peak_host_bytes"],
    )
