"""Run the parts one after the other within a time, and make one record of all that was found."""

import contextlib
import dataclasses
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ...plugins.architectures import device_architectures
from ...plugins.errors import ContractError, LibraryError
from ...plugins.toolchain import find_toolchain
from .. import provenance
from ..record import Check, Record, Scalar
from ..record_file import read_record, without_paths, write_record
from .judging import Verdict
from .parts import ROOT, Part
from .running import run

RESULTS: Final = ROOT / "benchmarks" / "results"
_SHOWN: Final = 1500  # characters of output that are kept of a part that passed
_SHOWN_FAILED: Final = 8000
_LIBRARIES: Final = (
    *provenance.LIBRARIES,
    *("cuda-python", "onnxscript", "pillow", "pycuda", "pytest", "triton"),
)


def accept(
    parts: Sequence[Part],
    *,
    seconds: float,
    environment: Mapping[str, str],
    say: Callable[[str], None] = lambda _: None,
) -> list[Check]:
    """Run the parts.

    Args:
        parts: in their order.
        seconds: that all of them may take together. Each has its share of what is left.
        environment: all variables that the parts see.
        say: is told each outcome, one line each.

    Returns:
        One check a part. A part that does not end in time has failed.
    """
    end = time.monotonic() + seconds
    checks = []
    for index, part in enumerate(parts):
        to_come = sum(later.share for later in parts[index:] if later.missing is None)
        left = max(end - time.monotonic(), 0.0)
        limit = left * part.share / to_come if to_come else 0.0
        say(f"{part.name}: at most {limit:.0f} s" if part.missing is None else part.name)
        checks.append(_check(part, limit, environment))
        say("  " + summary(checks[-1]))
    return checks


def summary(check: Check) -> str:
    """Write a check as one line.

    Args:
        check: of a part.

    Returns:
        The line.
    """
    counts = ", ".join(f"{count} {name}" for name, count in check.details.items())
    words = [f"{check.outcome} in {check.seconds:.0f} s", counts, check.reason]
    return ": ".join(word for word in words if word)


def make_record(
    checks: Iterable[Check],
    benchmark: Path,
    *,
    settings: Mapping[str, Scalar],
    commit: str | None = None,
) -> Record:
    """Put what the parts found, and the record of the benchmark if there is one, into one record.

    Args:
        checks: of the parts.
        benchmark: record of ``csakit bench attention``; it may not exist.
        settings: of this run.
        commit: of the sources; None asks git.

    Returns:
        A record of kind "acceptance".
    """
    source = provenance.source()
    if commit is not None:
        source = dataclasses.replace(source, commit=commit, dirty=source.dirty or False)
    record = Record(
        kind="acceptance",
        date=provenance.now(),
        source=source,
        machine=provenance.machine(gpu=provenance.first_gpu()),
        libraries=provenance.libraries(_LIBRARIES),
        settings={**settings, "nvcc": _nvcc(), "gpus": ", ".join(device_architectures())},
        rivals=(),
        measurements=(),
        checks=tuple(checks),
    )
    with contextlib.suppress(ContractError):  # the check of the benchmark tells that it is missing
        timed = read_record(benchmark)
        record = dataclasses.replace(
            record,
            settings={**timed.settings, **record.settings},
            rivals=timed.rivals,
            measurements=timed.measurements,
            absent=timed.absent,
            warnings=timed.warnings,
            checks=(*record.checks, *timed.checks),
        )
    return record


def write(record: Record, output: Path | None = None) -> Path:
    """Write the record.

    Args:
        record: of an acceptance.
        output: the file; None names one in ``benchmarks/results`` by date and GPU.

    Returns:
        The file.

    Raises:
        ContractError: it cannot be written there.
    """
    if output is None:
        gpu = record.machine.gpu.name if record.machine.gpu else str(record.settings["gpus"])
        words = (record.date.replace(":", "")[:15], re.sub(r"\W+", "-", gpu).lower(), record.kind)
        RESULTS.mkdir(exist_ok=True)
        output = RESULTS / f"{'_'.join(words)}.json"
    try:
        write_record(record, output)
    except ContractError as error:
        # What parts printed is the one thing that is not ours; without it nothing may be lost.
        bare = tuple(dataclasses.replace(check, output="") for check in record.checks)
        warning = f"without what the parts printed: {anonymous(str(error))}"
        warnings = (*record.warnings, warning)
        write_record(dataclasses.replace(record, checks=bare, warnings=warnings), output)
    return output


def _check(part: Part, limit: float, environment: Mapping[str, str]) -> Check:
    """Run one part and judge it; never fails."""
    if part.missing is not None:
        return Check(name=part.name, outcome="skipped", reason=part.missing)
    ended = run(part.command, limit_s=limit, folder=ROOT, environment=environment)
    if ended.code is None:
        verdict = Verdict(outcome="failed", reason=f"stopped after {limit:.0f} s, its share")
    else:
        try:
            verdict = part.judge(ended)
        except Exception as error:  # whatever a part left behind, the record must be written
            verdict = Verdict(outcome="failed", reason=f"what it left cannot be read: {error!r}")
    shown = _SHOWN_FAILED if verdict.outcome == "failed" else _SHOWN
    return Check(
        name=part.name,
        outcome=verdict.outcome,
        reason=anonymous(verdict.reason),
        seconds=round(ended.seconds, 1),
        details=verdict.details,
        output=anonymous(ended.output[-shown:]),
    )


def anonymous(text: str) -> str:
    """Take out of a text what a record may not hold: absolute paths and the name of the host.

    Args:
        text: that a command printed.

    Returns:
        The text.
    """
    host = platform.node().split(".")[0]
    text = without_paths(text)
    return re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "HOST", text) if host else text


def _nvcc() -> str:
    """Name the compilers, or say why there are none."""
    try:
        return str(find_toolchain())
    except LibraryError as error:
        return anonymous(str(error).splitlines()[0])
