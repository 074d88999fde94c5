"""A benchmark record: everything one run measured, on what, of what, and how right it was.

One JSON file a run. It holds the raw samples; percentiles are computed from them, whoever
reads. It holds no absolute path and no host name. Files: ``csakit.benchmarks.record_file``.

Host time is what a clock around the call says; device times are what events say, apart.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, Literal

from ..plugins.errors import ContractError
from .distribution import Summary, summarise
from .provenance import Machine, Source

SCHEMA: Final = 1  # raised when an older reader would misread a record

Kind = Literal["latency", "attention", "training", "acceptance"]
Outcome = Literal["passed", "failed", "skipped", "met", "missed"]  # the last two: of a target
Scalar = str | int | float | bool
Key = tuple[str | None, str, tuple[tuple[str, Scalar], ...]]  # model, rival, case
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One set of weights.

    Attributes:
        name: unique within the record; of a file without its folder and suffix.
        sha256: of the checkpoint.
        width: channels of the first level.
        attention: "csa", "conv" or "none".
        similarity: "projection" or "cosine".
        weights_bytes: of the parameters in float32.
    """

    name: str
    sha256: str
    width: int
    attention: str
    similarity: str
    weights_bytes: int

    def __post_init__(self) -> None:
        """Refuse what is no hash."""
        _require(_SHA256.fullmatch(self.sha256), f"sha256 must be 64 digits; got {self.sha256!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """How far the results of the very run are from the reference, over all images of a case.

    Attributes:
        reference: what it was compared with.
        images: how many were compared.
        max_abs: largest difference.
        psnr_db: least peak signal-to-noise ratio inside a hole; None where nothing differs or
            nothing is missing, or the values are no images.
        max_abs_limit: what ``max_abs`` may be; None does not limit.
        psnr_db_limit: what ``psnr_db`` must be; None does not limit.
    """

    reference: str
    images: int
    max_abs: float
    psnr_db: float | None = None
    max_abs_limit: float | None = None
    psnr_db_limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the limits were kept; a value that is not a number keeps none."""
        if self.max_abs_limit is not None and not self.max_abs <= self.max_abs_limit:
            return False
        if self.psnr_db is None or self.psnr_db_limit is None:
            return math.isfinite(self.max_abs)
        return math.isfinite(self.max_abs) and self.psnr_db >= self.psnr_db_limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceTimes:
    """Milliseconds on the device by events, one per sample of the host.

    Attributes:
        to_device_ms: copying the inputs.
        compute_ms: the model.
        to_host_ms: copying the result.
        kernels_ms: mean of each kernel by name, profiled in a run of its own; may be empty.
    """

    to_device_ms: tuple[float, ...]
    compute_ms: tuple[float, ...]
    to_host_ms: tuple[float, ...]
    kernels_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def samples(self) -> tuple[tuple[float, ...], ...]:
        """What there is one of for every sample of the host."""
        return self.to_device_ms, self.compute_ms, self.to_host_ms


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """One rival on one case.

    Attributes:
        rival: its name; one of the record's.
        model: whose weights it ran; None for an operator alone.
        case: what was computed, by name: sizes, batch, holes.
        samples_ms: host time of every timed call, in the order they ran.
        calls_per_turn: so many samples in a row are of one turn; rivals take turns.
        parity: of this very run; None only where there is nothing to compare with.
        device: None where no device was used.
    """

    rival: str
    model: str | None = None
    case: Mapping[str, Scalar]
    samples_ms: tuple[float, ...]
    calls_per_turn: int = 1
    parity: Parity | None
    device: DeviceTimes | None = None

    def __post_init__(self) -> None:
        """Refuse samples that are no times, and results that were wrong."""
        turns, rest = divmod(len(self.samples_ms), max(self.calls_per_turn, 1))
        _require(
            turns > 0 and rest == 0 and self.calls_per_turn > 0,
            f"{self.rival} must have samples in turns of {self.calls_per_turn}; "
            f"got {len(self.samples_ms)}",
        )
        batch = self.case.get("batch", 1)
        _require(
            type(batch) is int and batch > 0, f"a batch must have at least 1 image; got {batch!r}"
        )
        device = self.device.samples if self.device else ()
        _require(
            all(math.isfinite(time) and time > 0 for time in self.samples_ms)
            and all(math.isfinite(time) and time >= 0 for times in device for time in times)
            and all(len(times) == len(self.samples_ms) for times in device),
            f"{self.rival} must have times above 0 ms, and as many of each kind",
        )
        _require(
            self.parity is None or self.parity.passed,
            f"{self.rival} computed something else, so its times mean nothing: {self.parity}",
        )

    @property
    def summary(self) -> Summary:
        """Percentiles and throughput."""
        return summarise(self.samples_ms, items_per_call=int(self.case.get("batch", 1)))

    @property
    def key(self) -> Key:
        """What a measurement of another record must share to be compared with this one."""
        return self.model, self.rival, tuple(sorted(self.case.items()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColdStart:
    """A fresh process up to its first result; files lie in the page cache.

    Attributes:
        import_ms: importing what the rival needs.
        load_ms: opening the model.
        first_ms: the first inference.
        total_ms: from starting the process to the result, by the clock of another one.
        peak_host_bytes: the most memory the process had; None if the system does not tell.
    """

    import_ms: float
    load_ms: float
    first_ms: float
    total_ms: float
    peak_host_bytes: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rival:
    """One way to compute the same.

    Attributes:
        name: unique within the record, with the model.
        model: whose weights it ran; None for an operator alone.
        what: it is, in words.
        form: how it was configured or exported.
        cold_starts: each in a process of its own.
        peak_host_bytes: of the process that was timed, over all its cases; None if unknown.
        peak_device_bytes: of the device, likewise; None where none was used.
    """

    name: str
    model: str | None = None
    what: str
    form: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)
    cold_starts: tuple[ColdStart, ...] = ()
    peak_host_bytes: int | None = None
    peak_device_bytes: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Absent:
    """A rival that was asked for and could not run.

    Attributes:
        rival: its name.
        reason: what is missing, in words.
    """

    rival: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """Something that was right or wrong, beside the times.

    Attributes:
        name: what was checked.
        outcome: "skipped" has a reason; a target is "met" or "missed", which fails nothing.
        reason: why, or what was found, in words.
        seconds: that it took.
        details: counts and limits.
        output: the last that it printed.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    details: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)
    output: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """All of one run.

    Attributes:
        schema: of this form.
        kind: which benchmark.
        date: UTC, ISO 8601, to the second.
        source: which csakit.
        machine: what it ran on.
        libraries: version by name of what took part.
        settings: of the run: rounds, threads, seeds.
        models: the weights.
        rivals: what was compared.
        measurements: their times.
        absent: rivals that could not run.
        warnings: what makes the times doubtful.
        checks: what else was right or wrong.
    """

    schema: int = SCHEMA
    kind: Kind
    date: str
    source: Source
    machine: Machine
    libraries: Mapping[str, str]
    settings: Mapping[str, Scalar]
    models: tuple[Model, ...] = ()
    rivals: tuple[Rival, ...]
    measurements: tuple[Measurement, ...]
    absent: tuple[Absent, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a record whose parts do not belong together."""
        models = [model.name for model in self.models]
        rivals = [(rival.model, rival.name) for rival in self.rivals]
        _unique("model", models)
        _unique("rival", rivals)
        _unique("measurement", [measured.key for measured in self.measurements])
        for measured in self.measurements:
            known = (measured.model, measured.rival) in rivals
            known &= measured.model is None or measured.model in models
            _require(known, f"{measured.rival} of {measured.model} was measured and not described")


def _unique(what: str, names: Iterable[Hashable]) -> None:
    twice = [name for name, times in collections.Counter(names).items() if times > 1]
    _require(not twice, f"every {what} must be named once; got {twice[:1]} twice")


def _require(kept: object, rule: str) -> None:
    if not kept:
        raise ContractError(rule)
