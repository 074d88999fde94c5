"""What the end of a part means: passed, failed or skipped, with the reason and the counts."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from ...plugins.errors import ContractError, ExitCode
from ..record import Outcome, Scalar
from ..record_file import read_record
from .running import Ended

# What tests of other things import. Their files cannot be collected where it is missing; a
# module of csakit's own that is missing is a failure.
OPTIONAL: Final = (
    *("google", "hypothesis", "lightning_fabric", "matplotlib", "onnx", "onnxruntime"),
    *("onnxscript", "openvino", "polygraphy", "safetensors", "setuptools", "skimage"),
    *("tensorboard", "tensorrt_lean", "tensorrt_rtx", "tifffile", "tomli", "torch", "tqdm"),
    "tritonclient",
)
_NAMED: Final = 8  # so many failed tests are named; the output has all of them
_MISSING: Final = re.compile(r"No module named '(\w+)")
_REFUSED: Final = re.compile(r"(?i)device (?:is )?not supported|unsupported (?:device|gpu|driver)")
_ERRORS: Final = re.compile(
    r"ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) error"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the end of a part means.

    Attributes:
        outcome: "passed", "failed" or "skipped".
        reason: in words; empty where a part passed and there is nothing to say.
        details: counts.
    """

    outcome: Outcome
    reason: str = ""
    details: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)


Judge = Callable[[Ended], Verdict]


def judge_exit(ended: Ended) -> Verdict:
    """Judge by the exit code alone.

    Args:
        ended: any command.

    Returns:
        Passed for 0; else failed, with the last that it printed.
    """
    if ended.code == ExitCode.OK:
        return Verdict(outcome="passed")
    return Verdict(outcome="failed", reason=f"exit code {ended.code}: {last_lines(ended.output)}")


def judge_tests(ended: Ended, junit: Path) -> Verdict:
    """Judge by what pytest wrote down.

    Args:
        ended: pytest.
        junit: its report.

    Returns:
        Passed if at least one test ran and none failed. Files of tests that need an optional
        package do not count; they are named.
    """
    try:
        cases = list(ElementTree.parse(junit).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Verdict(
            outcome="failed",
            reason=f"no report, exit code {ended.code}: {last_lines(ended.output)}",
        )
    problems = [case for case in cases if case.find("failure") is not None or _error(case)]
    missing = {case: package for case in problems if (package := _missing_package(case))}
    failed = [case for case in problems if case not in missing]
    skipped = [case for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(problems) - len(skipped)
    details: dict[str, Scalar] = {
        "passed": passed,
        "failed": len(failed),
        "skipped": len(skipped),
        "not_collected": len(missing),
    }
    said = [f"{_name(case)} failed" for case in failed[:_NAMED]]
    if missing:
        said.append(f"{len(missing)} files not collected for want of {_joined(missing.values())}")
    if skipped:
        reasons = (entry.get("message", "") for case in skipped for entry in case.iter("skipped"))
        said.append(f"skipped: {_joined(reasons)}")
    if passed == 0:
        said.insert(0, "no test ran")
    good = passed > 0 and not failed
    return Verdict(outcome="passed" if good else "failed", reason="; ".join(said), details=details)


def judge_sanitizer(ended: Ended) -> Verdict:
    """Judge by what compute-sanitizer summed up.

    Args:
        ended: one of its tools on ``csakit.benchmarks.acceptance.driver``.

    Returns:
        Passed without errors and with right results; skipped where it refuses the GPU.
    """
    if refused := _REFUSED.search(ended.output):
        return Verdict(outcome="skipped", reason=f"compute-sanitizer: {refused[0]}")
    found = [int(one or other) for one, other in _ERRORS.findall(ended.output)]
    if ended.code == ExitCode.OK and found and not any(found):
        return Verdict(outcome="passed", details={"errors": 0})
    if not any(found):
        return judge_exit(dataclasses.replace(ended, code=ended.code or ExitCode.CHECK_FAILED))
    first = re.search(r"(?m)^=+ (?!COMPUTE-SANITIZER)(\S.*)$", ended.output)
    return Verdict(
        outcome="failed",
        reason=f"{sum(found)} errors, the first: {first[1] if first else 'not shown'}",
        details={"errors": sum(found)},
    )


def judge_benchmark(ended: Ended, record: Path) -> Verdict:
    """Judge by the exit code and by whether there is a valid record.

    Args:
        ended: ``csakit bench attention``.
        record: the file it wrote.

    Returns:
        Passed with how many targets are met and missed; missing one fails nothing.
    """
    verdict = judge_exit(ended)
    try:
        checks = read_record(record).checks
    except ContractError as error:
        reason = verdict.reason or str(error)
        return Verdict(outcome="failed", reason=reason)
    details = {name: sum(c.outcome == name for c in checks) for name in ("met", "missed", "failed")}
    said = [f"{check.name}: {check.reason}" for check in checks if check.outcome == "failed"]
    return Verdict(
        outcome=verdict.outcome, reason="; ".join(said) or verdict.reason, details=details
    )


def judge_finding(ended: Ended, finding: Path) -> Verdict:
    """Judge by what a part of whole models wrote down.

    Args:
        ended: ``csakit.benchmarks.acceptance.models``.
        finding: the file it wrote.

    Returns:
        What the file says; failed where the program did not end well after writing it.
    """
    try:
        value = json.loads(finding.read_text())
        verdict = Verdict(
            outcome={"passed": "passed", "skipped": "skipped"}.get(value["outcome"], "failed"),  # type: ignore[arg-type]
            reason=str(value["reason"]),
            details=dict(value["details"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return dataclasses.replace(judge_exit(ended), outcome="failed")
    if ended.code in (ExitCode.OK, ExitCode.CHECK_FAILED):
        return verdict
    died = f"exit code {ended.code}: {last_lines(ended.output)}"
    return dataclasses.replace(verdict, outcome="failed", reason=f"{verdict.reason}; {died}")


def last_lines(text: str) -> str:
    """Give the last lines that are not empty: an error of csakit has two, cause and remedy.

    Args:
        text: that a command printed.

    Returns:
        The lines as one; "no output" where there is none.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-2:]) or "no output"


def _error(case: ElementTree.Element) -> bool:
    return case.find("error") is not None


def _missing_package(case: ElementTree.Element) -> str | None:
    """Name the optional package for want of which a file was not collected."""
    error = case.find("error")
    if error is None or error.get("message") != "collection failure":
        return None
    named = _MISSING.findall(error.text or "")
    return named[-1] if named and named[-1] in OPTIONAL else None


def _name(case: ElementTree.Element) -> str:
    """Name a test as file and test; a file that was not collected has no test."""
    words = (case.get("classname", ""), case.get("name", ""))
    return "::".join(word for word in words if word)


def _joined(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))
