"""A benchmark record: the measurements of one run, its machine, its models, their accuracy.

One JSON file a run, with the raw samples and no absolute path or host name. Host time is a clock
around the call; device times are events on the device, and are kept apart.
"""

import collections
import dataclasses
import json
import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from ..plugins.errors import ContractError
from ..runtime.files.atomic import atomic_write
from ..runtime.files.typed_json import decode, read_object
from .environment import Environment, Source
from .stats import Summary, drift, summarise

SCHEMA: Final = 2  # raised when an older reader would misread a record

Kind = Literal["latency", "attention"]
Outcome = Literal["passed", "failed", "skipped", "met", "missed"]  # the last two: of a target
Scalar = str | int | float | bool
Key = tuple[str | None, str, tuple[tuple[str, Scalar], ...]]  # model, backend, case

# On a quiet machine a call of 10 ms and more varies by 1 to 3 %, and halves of a run agree to 2 %.
VARIATION_LIMIT: Final = 0.10
DRIFT_LIMIT: Final = 0.05
LOAD_LIMIT: Final = 0.5  # runnable processes besides this run; it counts one itself while it works

_MAX_BYTES: Final = 32 << 20  # a full run has some 100 kB
_ROUNDING: Final = 1e-6  # relative; summaries may have been written by another NumPy
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# A slash that starts a word, and a second part: /home/x; not 1/2, ms/image, https://x/y.
_ABSOLUTE_PATH: Final = re.compile(r"(?<![\w.~/-])/[^\s/'\":,()]+/[^\s'\":,()]*")
_NUMBERS: Final = re.compile(r"\[\n\s*-?\d[^\[\]{}\"]*\]")  # a list of numbers only


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One set of weights; the hash is that of its checkpoint, the bytes are those in float32."""

    name: str
    sha256: str
    width: int
    attention: str
    similarity: str
    weights_bytes: int

    def __post_init__(self) -> None:
        """Refuse an invalid hash."""
        _require(_SHA256.fullmatch(self.sha256), f"sha256 must be 64 digits; got {self.sha256!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """The differences between results of the timed run and the reference, over a case's images."""

    reference: str  # what it was compared with
    images: int  # how many were compared
    max_abs: float  # largest difference
    psnr_db: float | None = None  # least, inside a hole; None if equal, or no image
    max_abs_limit: float | None = None  # what ``max_abs`` may be; None does not limit
    psnr_db_limit: float | None = None  # what ``psnr_db`` must be; None does not limit

    @property
    def passed(self) -> bool:
        """Whether all limits were met; NaN meets none."""
        if self.max_abs_limit is not None and not self.max_abs <= self.max_abs_limit:
            return False
        if self.psnr_db is None or self.psnr_db_limit is None:
            return math.isfinite(self.max_abs)
        return math.isfinite(self.max_abs) and self.psnr_db >= self.psnr_db_limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceTimes:
    """Milliseconds on the device by events, one per sample of the host."""

    compute_ms: tuple[float, ...]  # of the model or the operator
    kernels_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)  # profiled apart


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """One backend on one case."""

    backend: str  # name of one of the record's
    model: str | None = None  # whose weights it ran; None for an operator or a file alone
    case: Mapping[str, Scalar]  # what was computed, by name: sizes, batch, holes
    samples_ms: tuple[float, ...]  # host time of every timed call, in the order they ran
    calls_per_round: int = 1  # consecutive samples of one round; backends are interleaved
    parity: Parity | None  # in this run; None only without a reference
    device: DeviceTimes | None = None  # None where no device was used

    def __post_init__(self) -> None:
        """Refuse invalid samples, and times of wrong results."""
        rounds, rest = divmod(len(self.samples_ms), max(self.calls_per_round, 1))
        _require(
            rounds > 0 and rest == 0 and self.calls_per_round > 0,
            f"{self.backend} must have samples in rounds of {self.calls_per_round}; "
            f"got {len(self.samples_ms)}",
        )
        batch = self.case.get("batch", 1)
        _require(
            type(batch) is int and batch > 0, f"a batch must have at least 1 image; got {batch!r}"
        )
        device = self.device.compute_ms if self.device else self.samples_ms
        _require(
            all(math.isfinite(time) and time > 0 for time in self.samples_ms)
            and all(math.isfinite(time) and time >= 0 for time in device)
            and len(device) == len(self.samples_ms),
            f"{self.backend} must have times above 0 ms, and as many of each kind",
        )
        _require(
            self.parity is None or self.parity.passed,
            f"{self.backend} failed parity, so its times mean nothing: {self.parity}",
        )

    @property
    def summary(self) -> Summary:
        """Percentiles and throughput."""
        return summarise(self.samples_ms, items_per_call=int(self.case.get("batch", 1)))

    @property
    def key(self) -> Key:
        """The identity of a measurement across records."""
        return self.model, self.backend, tuple(sorted(self.case.items()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColdStart:
    """Times of a fresh process up to its first result, with files in the page cache."""

    import_ms: float  # importing what the backend needs
    load_ms: float  # opening the model
    first_ms: float  # the first inference
    total_ms: float  # from starting the process to the result, by the clock of another one
    peak_host_bytes: int | None  # of the process; None if the system does not report it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backend:
    """One backend of a run."""

    name: str  # unique within the record, with the model
    model: str | None = None  # whose weights it ran; None for an operator or a file alone
    description: str  # in words
    options: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)  # and of its export
    cold_starts: tuple[ColdStart, ...] = ()  # each in a process of its own
    peak_host_bytes: int | None = None  # of the timed process, over all cases; None if unknown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Absent:
    """A backend that was asked for and could not run."""

    backend: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of a check or a target; a missed target is no failure."""

    name: str
    outcome: Outcome
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The record of a run; ``libraries`` are versions, ``settings`` rounds, threads and seeds."""

    schema: int = SCHEMA
    kind: Kind
    date: str
    source: Source
    environment: Environment
    libraries: Mapping[str, str]
    settings: Mapping[str, Scalar]
    models: tuple[Model, ...] = ()
    backends: tuple[Backend, ...]
    measurements: tuple[Measurement, ...]
    absent: tuple[Absent, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        """Refuse duplicates, and measurements of undeclared backends or models."""
        models = [model.name for model in self.models]
        backends = [(backend.model, backend.name) for backend in self.backends]
        _unique("model", models)
        _unique("backend", backends)
        _unique("measurement", [measured.key for measured in self.measurements])
        for measured in self.measurements:
            known = (measured.model, measured.backend) in backends
            known &= measured.model is None or measured.model in models
            _require(
                known, f"{measured.backend} of {measured.model} was measured and not described"
            )


def timing_warnings(environment: Environment, measurements: Sequence[Measurement]) -> list[str]:
    """Report what makes the times of a run unreliable: load, variation, drift."""
    found = []
    load = environment.load_average
    if load is not None and load > LOAD_LIMIT:
        cores = environment.logical_cpus
        found.append(f"load average was {load:.1f} on {cores} cores before the run")
    variations = [(m.summary.coefficient_of_variation, m.backend) for m in measurements]
    drifts = [(drift(m.samples_ms), m.backend) for m in measurements]
    for name, limit, values in (
        ("coefficient of variation", VARIATION_LIMIT, variations),
        ("drift between the halves of the run", DRIFT_LIMIT, drifts),
    ):
        beyond = [value for value in values if value[0] > limit]
        if beyond:
            worst, backend = max(beyond)
            found.append(
                f"{name} above {limit:.0%} in {len(beyond)} of {len(values)} measurements, "
                f"at worst {worst:.0%} ({backend})"
            )
    return found


def write_record(record: Record, path: Path) -> None:
    """Write a record; an interrupted call leaves no half file."""
    _require(path.suffix == ".json", f"a record's name must end in .json; got {path.name}")
    value = dataclasses.asdict(record)
    for entry, measured in zip(value["measurements"], record.measurements, strict=True):
        entry["summary"] = dataclasses.asdict(measured.summary)  # for readers of the file
    _require_private(value)
    text = json.dumps(value, indent=1, allow_nan=False)
    # each list of numbers on one line
    with atomic_write(path) as temporary:
        short = _NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
        temporary.write_text(short + "\n")


def read_record(path: Path) -> Record:
    """Read and validate a record."""
    value = read_object(path, _MAX_BYTES)
    schema = value.get("schema")
    _require(type(schema) is int, f"{path} is not a benchmark record: it states no schema")
    _require(
        schema == SCHEMA,
        f"{path} has schema {schema}; this version of csakit reads {SCHEMA}\n"
        "Read it with the version that wrote it, or measure again.",
    )
    stated = value.get("measurements")
    entries = [entry for entry in stated if isinstance(entry, dict)] if stated else []
    summaries = [entry.pop("summary", None) for entry in entries]
    try:
        record = decode(Record, value)
        for measured, summary in zip(record.measurements, summaries, strict=True):
            stated = dataclasses.astuple(decode(Summary, summary or {}))
            _require(
                np.allclose(stated, dataclasses.astuple(measured.summary), _ROUNDING, _ROUNDING),
                f"the summary of {measured.backend} on {dict(measured.case)} must follow from its "
                f"samples; got {summary}",
            )
    except ContractError as error:
        raise ContractError(f"{path} is not a valid benchmark record: {error}") from error
    return record


def without_paths(text: str) -> str:
    """Shorten absolute paths within a text to their last part, so that a record may hold it."""
    return _ABSOLUTE_PATH.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)


def _require_private(value: object) -> None:
    """Refuse absolute paths in any text of a value made of objects and lists."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for part in value:
            _require_private(part)
    elif isinstance(value, str) and (found := _ABSOLUTE_PATH.search(value)):
        raise ContractError(f"a record must hold no absolute path; got {found[0]!r}")


def _unique(what: str, names: Iterable[Hashable]) -> None:
    twice = [name for name, times in collections.Counter(names).items() if times > 1]
    _require(not twice, f"every {what} must be named once; got {twice[:1]} twice")


def _require(kept: object, rule: str) -> None:
    if not kept:
        raise ContractError(rule)
