"""Results of a comparison: values, a table, JSON."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ...runtime.contract import ComputePrecision, IOFormat
from .cases import Case


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageParity:
    """Differences of one stage of one case from its reference."""

    stage: str
    max_abs: float  # largest difference
    mean_abs: float  # mean difference
    max_relative: float  # largest difference over the largest value of the reference
    mean_relative: float  # mean difference over the same
    psnr_db: float | None = None  # inside the hole; None for stages that are no images
    ssim: float | None = None  # inside the hole; None for stages that are no images
    equal: float | None = None  # share of equal match indices; None for other stages
    finite: bool  # whether the model's values are all finite
    # whether known pixels are bit-equal to the input; None for inner stages
    outside_equal: bool | None = None
    broken: tuple[str, ...] = ()  # the limits it exceeded, in words; empty if it passed

    @property
    def passed(self) -> bool:
        """Whether all limits were met."""
        return not self.broken


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseParity:
    """Parity of all stages of one case."""

    case: Case
    stages: tuple[StageParity, ...]

    @property
    def passed(self) -> bool:
        """Whether there was a stage and all passed."""
        return bool(self.stages) and all(stage.passed for stage in self.stages)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Parity of one model over all cases."""

    precision: ComputePrecision
    io: IOFormat
    cases: tuple[CaseParity, ...]  # in the order they ran

    @property
    def passed(self) -> bool:
        """Whether there was a case and all passed."""
        return bool(self.cases) and all(case.passed for case in self.cases)

    @property
    def failing(self) -> CaseParity | None:
        """The first case that broke a limit."""
        return next((case for case in self.cases if not case.passed), None)

    def worst(self) -> list[StageParity]:
        """Return each stage's worst values over all cases."""
        stages: dict[str, list[StageParity]] = {}
        for case in self.cases:
            for stage in case.stages:
                stages.setdefault(stage.stage, []).append(stage)
        return [_worst(several) for several in stages.values()]

    def summary(self) -> str:
        """Return a one-line summary of the comparison."""
        failed = sum(not case.passed for case in self.cases)
        outcome = f"{failed} broke a limit" if failed else "every limit kept"
        return f"{len(self.cases)} images, {self.precision}, {self.io} I/O; {outcome}"

    def table(self) -> str:
        """Return the worst values as a table, with a verdict for each stage."""
        head = f"{'stage':<9} {'max abs':>9} {'mean abs':>9} {'PSNR dB':>8} {'SSIM':>8}  {'':<24}"
        lines = [f"{head}verdict"]
        for s in self.worst():
            notes = "" if s.equal is None else f"{100 * s.equal:.2f} % equal matches"
            if s.outside_equal:
                notes = "known pixels bit-equal"
            if s.outside_equal is False:
                notes = "KNOWN PIXELS CHANGED"
            if not s.finite:
                notes = "NOT FINITE"
            psnr = "" if s.psnr_db is None else f"{s.psnr_db:.1f}"
            ssim = "" if s.ssim is None else f"{s.ssim:.5f}"
            maximum, mean = ("", "") if s.equal is not None else (s.max_abs, s.mean_abs)
            lines.append(
                f"{s.stage:<9} {_short(maximum):>9} {_short(mean):>9} {psnr:>8} {ssim:>8}  "
                f"{notes:<24}{'ok' if s.passed else 'FAILED'}"
            )
        broken = [f"{s.stage}: {text}" for s in self.worst() for text in s.broken]
        return "\n".join([*lines, *broken])

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels as JSON values."""
        return {
            "passed": self.passed,
            "precision": self.precision,
            "io": self.io,
            "worst": [record(stage) for stage in self.worst()],
            "cases": [
                {
                    "name": parity.case.name,
                    "size": list(parity.case.hole.shape),
                    "hole_ratio": round(float(parity.case.hole.mean()), 4),
                    "stages": [record(stage) for stage in parity.stages],
                }
                for parity in self.cases
            ],
        }


def _worst(several: list[StageParity]) -> StageParity:
    def least(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return min(known) if known else None

    return StageParity(
        stage=several[0].stage,
        max_abs=max(s.max_abs for s in several),
        mean_abs=max(s.mean_abs for s in several),
        max_relative=max(s.max_relative for s in several),
        mean_relative=max(s.mean_relative for s in several),
        psnr_db=least([s.psnr_db for s in several]),
        ssim=least([s.ssim for s in several]),
        equal=least([s.equal for s in several]),
        finite=all(s.finite for s in several),
        outside_equal=None
        if several[0].outside_equal is None
        else all(s.outside_equal for s in several),
        broken=max((s.broken for s in several), key=len),
    )


def record(stage: StageParity) -> Mapping[str, Any]:
    """Return a stage as JSON values, which have no infinity."""
    values = {
        key: (None if isinstance(value, float) and not math.isfinite(value) else value)
        for key, value in dataclasses.asdict(stage).items()
        if value is not None
    }
    return values | {"passed": stage.passed}


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1e}"
