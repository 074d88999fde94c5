"""What was tested where and when, from committed records, as a table for a document.

In a document::

    <!-- tested: ../benchmarks/results -->
    what `csakit bench matrix` writes
    <!-- end of tested -->

The mark names the folder of the records, relative to the document. What no record tells was not
tested, and the table says so.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..plugins.errors import ContractError
from ..runtime.files import staged
from .acceptance.names import DEVICES, ENGINES, ONNXRUNTIME, engine_check
from .record import Outcome, Record
from .record_file import read_record

UNTESTED: Final = "not tested"
PLATFORMS: Final = (
    "CPU only",
    "data-centre GPU",
    "RTX desktop",
    "Jetson, JetPack 6",
    "Jetson, JetPack 7",
)
_BLOCK: Final = re.compile(
    r"(?P<open>^<!-- tested: (?P<path>\S+) -->\n)(?P<table>.*?)(?P<close>^<!-- end of tested -->$)",
    re.MULTILINE | re.DOTALL,
)
_COMMIT_DIGITS: Final = 12
_DESKTOP: Final = re.compile(r"GeForce|RTX|TITAN|Quadro")
_KERNEL_OF_JETPACK_6: Final = "5."  # Jetson Linux 36; JetPack 7 has 6.8


@dataclasses.dataclass(frozen=True)
class Feature:
    """Something that was tested or not.

    Attributes:
        title: in the table.
        checks: of an acceptance that it takes; the worst of them counts.
        rivals: beginnings of names of rivals whose measured latency, with its parity, shows it.
    """

    title: str
    checks: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


FEATURES: Final = (
    Feature("ONNX Runtime on the CPU", rivals=("ort",)),
    Feature("OpenVINO on the CPU", rivals=("openvino",)),
    Feature("ONNX Runtime on CUDA", checks=(ONNXRUNTIME,)),
    Feature("CUDA kernels: build, tests, sanitizer", checks=("build", "tests", "racecheck")),
    *(Feature(f"device layer: {name}", checks=(check,)) for name, check in DEVICES.items()),
    *(Feature(f"engine: {title}", checks=(engine_check(name),)) for name, title in ENGINES.items()),
)
_WORST: Final[tuple[Outcome, ...]] = ("failed", "missed", "skipped", "met", "passed")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one record tells of one feature."""

    outcome: Outcome
    reason: str
    record: Record
    file: str


def rewritten(document: str, folder: Path) -> str:
    """Write every marked table of a document again.

    Args:
        document: its text.
        folder: that the marks are relative to.

    Returns:
        The text with tables as the records have them.

    Raises:
        ContractError: a record cannot be read, or a mark is absolute or not closed.
    """
    if document.count("<!-- tested: ") != len(_BLOCK.findall(document)):
        raise ContractError(
            "every '<!-- tested: FOLDER -->' must have a line of its own and be followed by "
            "'<!-- end of tested -->'"
        )

    def table(found: re.Match[str]) -> str:
        path = Path(found["path"])
        if path.is_absolute():
            raise ContractError(f"a mark must name a folder beside the document; got {path}")
        records = read_records(folder / path)
        return f"{found['open']}\n{markdown(records)}\n{found['close']}"

    return _BLOCK.sub(table, document)


def rewrite(document: Path) -> bool:
    """Write every marked table of a file again; an interrupted call leaves no half file.

    Args:
        document: a text file.

    Returns:
        Whether it changed.

    Raises:
        ContractError: it cannot be read or written, or as ``rewritten``.
    """
    before = _text(document)
    after = rewritten(before, document.parent)
    if after != before:
        with staged(document) as temporary:
            temporary.write_text(after)
    return after != before


def is_stale(document: Path) -> bool:
    """Say whether a table of a file is another one than the records give.

    Args:
        document: a text file.

    Returns:
        Whether ``rewrite`` would change it.

    Raises:
        ContractError: as ``rewritten``.
    """
    text = _text(document)
    return rewritten(text, document.parent) != text


def read_records(folder: Path) -> dict[str, Record]:
    """Read all records of a folder.

    Args:
        folder: may be absent.

    Returns:
        By file name.

    Raises:
        ContractError: a file is no record.
    """
    return {path.name: read_record(path) for path in sorted(folder.glob("*.json"))}


def markdown(records: dict[str, Record]) -> str:
    """Write the table.

    Args:
        records: by file name.

    Returns:
        Lines, the last one ended: features by platforms, then what each number stands for.
    """
    notes: list[Finding] = []
    lines = [f"| | {' | '.join(PLATFORMS)} |", "|---|" + "---|" * len(PLATFORMS)]
    for feature in FEATURES:
        cells = (_cell(feature, platform, records, notes) for platform in PLATFORMS)
        lines.append(f"| {feature.title} | {' | '.join(cells)} |")
    if not notes:
        lines += ["", "No record is committed yet."]
    lines += [line for number, note in enumerate(notes, 1) for line in ("", _note(number, note))]
    return "\n".join(lines) + "\n"


def platform_of(record: Record) -> str:
    """Say on which of the platforms a record was made.

    Args:
        record: any.

    Returns:
        One of ``PLATFORMS``.
    """
    system, gpu = record.machine.system, record.machine.gpu
    if "tegra" in system:
        kernel = system.split()[1] if " " in system else ""
        return PLATFORMS[3 if kernel.startswith(_KERNEL_OF_JETPACK_6) else 4]
    if gpu is None:
        return PLATFORMS[0] if record.kind != "acceptance" else PLATFORMS[1]
    return PLATFORMS[2 if _DESKTOP.search(gpu.name) else 1]


def _cell(feature: Feature, platform: str, records: dict[str, Record], notes: list[Finding]) -> str:
    """Give the newest finding, with the number of its note."""
    found = [
        finding
        for file, record in records.items()
        if platform_of(record) == platform and (finding := _finding(feature, record, file))
    ]
    if not found:
        return UNTESTED
    newest = max(found, key=lambda finding: finding.record.date)
    notes.append(newest)
    return f"{newest.outcome} {newest.record.date[:10]} ({len(notes)})"


def _finding(feature: Feature, record: Record, file: str) -> Finding | None:
    """Say what a record tells of a feature; None if nothing."""
    checks = [check for check in record.checks if check.name in feature.checks]
    if checks:
        worst = min(checks, key=lambda check: _WORST.index(check.outcome))
        return Finding(worst.outcome, worst.reason, record, file)
    rivals = _measured(record, feature.rivals)
    if record.kind == "latency" and rivals:
        return Finding("passed", f"parity and latency of {', '.join(rivals)}", record, file)
    return None


def _measured(record: Record, beginnings: Sequence[str]) -> list[str]:
    names: Iterable[str] = (m.rival for m in record.measurements if m.parity is not None)
    return list(dict.fromkeys(name for name in names if name.startswith(tuple(beginnings or "\0"))))


def _note(number: int, finding: Finding) -> str:
    """Say on what, with what and where it is written."""
    record = finding.record
    gpu, commit = record.machine.gpu, record.source.commit
    versions = (f"{name} {version}" for name, version in record.libraries.items())
    words = [
        *_parts(finding.reason),
        gpu.name if gpu else record.machine.cpu,
        f"driver {gpu.driver}" if gpu else record.machine.system,
        ", ".join(versions),
        f"csakit {record.source.version} ({commit[:_COMMIT_DIGITS] if commit else 'no commit'}"
        f"{', with changes' if record.source.dirty else ''})",
        f"`{finding.file}`",
    ]
    return f"({number}) {'; '.join(words)}"


def _parts(reason: str) -> Iterator[str]:
    """Keep a reason from breaking the paragraph it stands in."""
    if reason:
        yield " ".join(reason.split()).replace("|", "/").replace("<", "(").replace(">", ")")


def _text(document: Path) -> str:
    try:
        return document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot read {document}: {error}") from error
