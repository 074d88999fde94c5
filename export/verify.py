"""Parity: an exported model against the torch model it came from, stage by stage.

Letters: B images, C channels, N feature positions, H W sides in pixels.

Both run on the same real photographs. The stages are the rough result, the features that
enter CSA, the match index of each position, what leaves CSA, and the result. Limits and
their reasons: ``csakit.export.limits``.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..plugins.errors import ContractError
from ..runtime import contract
from ..runtime.contract import Io, Precision
from ..train import CSAInpainter
from ..train.attention import match_indices
from . import graph, metrics
from .attention_function import MATCHES
from .cases import Case
from .limits import BYTE_STEP, LIMITS

Array = npt.NDArray[Any]
_IMAGES = ("rough", contract.RESULT)  # stages that are images; the others are features


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageParity:
    """How one stage of one case compares.

    Attributes:
        stage: its name.
        max_abs: largest difference.
        mean_abs: mean difference.
        max_relative: largest difference over the largest value of the reference.
        psnr_db: inside the hole; None for stages that are no images.
        ssim: inside the hole; None for stages that are no images.
        equal: share of equal match indices; None for other stages.
        finite: whether the model's values are all finite.
        outside_equal: whether known pixels are bit-equal to the input; None for inner stages.
        passed: whether every limit is kept.
    """

    stage: str
    max_abs: float
    mean_abs: float
    max_relative: float
    psnr_db: float | None = None
    ssim: float | None = None
    equal: float | None = None
    finite: bool
    outside_equal: bool | None = None
    passed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseParity:
    """All stages of one case."""

    case: Case
    stages: tuple[StageParity, ...]

    @property
    def passed(self) -> bool:
        """Whether every stage passed."""
        return all(stage.passed for stage in self.stages)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Parity of one model.

    Attributes:
        precision: of the model.
        io: of the model.
        cases: in the order they ran.
    """

    precision: Precision
    io: Io
    cases: tuple[CaseParity, ...]

    @property
    def passed(self) -> bool:
        """Whether there was a case and all passed."""
        return bool(self.cases) and all(case.passed for case in self.cases)

    @property
    def failing(self) -> CaseParity | None:
        """The first case that broke a limit."""
        return next((case for case in self.cases if not case.passed), None)

    def worst(self) -> list[StageParity]:
        """Give each stage's worst values over all cases."""
        stages: dict[str, list[StageParity]] = {}
        for case in self.cases:
            for stage in case.stages:
                stages.setdefault(stage.stage, []).append(stage)
        return [_worst(several) for several in stages.values()]

    def table(self) -> str:
        """Write the worst values as a table, with the verdict of each stage."""
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
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the pixels, JSON-serialisable."""
        return {
            "passed": self.passed,
            "precision": self.precision,
            "io": self.io,
            "worst": [_record(stage) for stage in self.worst()],
            "cases": [
                {
                    "name": parity.case.name,
                    "size": list(parity.case.hole.shape),
                    "hole_ratio": round(float(parity.case.hole.mean()), 4),
                    "stages": [_record(stage) for stage in parity.stages],
                }
                for parity in self.cases
            ],
        }


def verify_model(path: Path, model: CSAInpainter, cases: Iterable[Case]) -> Report:
    """Compare an exported model with its source in ONNX Runtime on the CPU.

    Args:
        path: of the exported model.
        model: its source, float32, in eval mode.
        cases: what to compare on; sizes that the exported model takes.

    Returns:
        The report; a broken limit is no error here.

    Raises:
        ContractError: the file is not an exported model, or was not exported from this
            architecture.
    """
    probe = Probe(path)
    if (probe.attention, probe.similarity) != (model.config.attention, model.config.similarity):
        raise ContractError(
            f"{path.name} has {probe.attention} attention ({probe.similarity}); the checkpoint "
            f"has {model.config.attention} ({model.config.similarity})\n"
            "Compare a model with the checkpoint it was exported from."
        )
    results = []
    for case in cases:
        reference, found = torch_stages(model, case, probe.io), probe.run(case)
        stages = [_compare(name, reference[name], found[name], case, probe) for name in found]
        results.append(CaseParity(case=case, stages=tuple(sorted(stages, key=_order))))
    return Report(precision=probe.precision, io=probe.io, cases=tuple(results))


class Probe:
    """An exported model in ONNX Runtime whose inner stages are outputs too.

    Args:
        path: of the exported model.

    Raises:
        ContractError: the file is not an exported model.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime  # deferred: only where a model runs

        model = graph.read(str(path))
        metadata = graph.metadata_of(model)
        self.precision: Precision = (
            "fp16" if metadata[contract.META_PRECISION] == "fp16" else "fp32"
        )
        self.io: Io = "uint8" if metadata[contract.META_IO] == "uint8" else "float"
        self.similarity = metadata[contract.META_SIMILARITY]
        self.attention = metadata[contract.META_ATTENTION]
        self.checkpoint_sha256 = metadata[contract.META_CHECKPOINT]
        self.size = _size(model, self.io)
        self._names = graph.add_probes(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; warnings here are about unused initialisers
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, case: Case) -> dict[str, Array]:
        """Run one case; return stage name to array, without the batch dimension."""
        image, hole = network_input(case, self.io)
        outputs = self._session.run(self._names, {contract.IMAGE: image, contract.HOLE: hole})
        stages = {name: array[0] for name, array in zip(self._names, outputs, strict=True)}
        if self.io == "uint8":
            stages[contract.RESULT] = _as_float(stages[contract.RESULT])
        return stages


def network_input(case: Case, io: Io) -> tuple[Array, Array]:
    """Lay a case out as a batch of one.

    Args:
        case: to lay out.
        io: "float" or "uint8".

    Returns:
        Image and hole, as ``csakit.runtime.contract`` has them.
    """
    if io == "uint8":
        return case.image[None], case.hole[None, :, :, None].astype(np.uint8)
    return _as_float(case.image)[None], case.hole[None, None].astype(np.float32)


def torch_stages(model: CSAInpainter, case: Case, io: Io) -> dict[str, Array]:
    """Run one case through the source; return what ``Probe.run`` returns."""
    image, hole = (torch.from_numpy(array) for array in network_input(case, "float"))
    with torch.inference_mode():
        stages = model.stages(image, hole)
        arrays = {
            "rough": stages.rough,
            "features": stages.features,
            "attended": stages.attended,
            contract.RESULT: stages.result,
        }
        found = {name: tensor[0].numpy() for name, tensor in arrays.items()}
        if model.config.attention == "csa":
            similarity = model.config.similarity
            matches = match_indices(stages.features, stages.feature_hole, similarity)
            found[MATCHES] = matches[0].numpy()
    if io == "uint8":
        byte = np.round((found[contract.RESULT] + 1) * 127.5)
        found[contract.RESULT] = (byte / 127.5 - 1).astype(np.float32)
    return found


def _compare(name: str, reference: Array, found: Array, case: Case, probe: Probe) -> StageParity:
    if name == MATCHES:
        feature_hole = np.flatnonzero(_ordinary(reference))
        same = reference == found
        moved = same[feature_hole] if len(feature_hole) else same
        return _judged(
            StageParity(
                stage=name,
                max_abs=0.0,
                mean_abs=0.0,
                max_relative=0.0,
                equal=float(moved.mean()),
                finite=True,
            ),
            probe,
        )
    difference = np.abs(reference.astype(np.float64) - found)
    image = name in _IMAGES
    known = _as_float(case.image)[:, ~case.hole]
    parity = StageParity(
        stage=name,
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        max_relative=float(difference.max() / max(np.abs(reference).max(), 1e-12)),
        psnr_db=metrics.psnr_in_hole(reference, found, case.hole) if image else None,
        ssim=metrics.ssim_in_hole(reference, found, case.hole) if image else None,
        finite=bool(np.isfinite(found).all()),
        outside_equal=bool((found[:, ~case.hole] == known).all())
        if name == contract.RESULT
        else None,
    )
    return _judged(parity, probe)


def _judged(parity: StageParity, probe: Probe) -> StageParity:
    """Hold a stage against its limit. Written so that NaN fails."""
    limit = LIMITS[probe.precision][parity.stage]
    step = BYTE_STEP if probe.io == "uint8" and parity.stage == contract.RESULT else 0.0
    # Bytes that round to the other side make noise of their own; PSNR there says nothing new.
    least_db = limit.psnr_db if not step else min(limit.psnr_db or 0.0, 45.0)
    kept = [
        parity.finite,
        parity.outside_equal is not False,
        limit.max_abs is None or parity.max_abs <= limit.max_abs + step,
        limit.max_relative is None or parity.max_relative <= limit.max_relative,
        least_db is None or parity.psnr_db is None or parity.psnr_db >= least_db,
        limit.equal is None or parity.equal is None or parity.equal >= limit.equal,
    ]
    return dataclasses.replace(parity, passed=all(kept))


def _worst(several: list[StageParity]) -> StageParity:
    def least(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return min(known) if known else None

    return StageParity(
        stage=several[0].stage,
        max_abs=max(s.max_abs for s in several),
        mean_abs=max(s.mean_abs for s in several),
        max_relative=max(s.max_relative for s in several),
        psnr_db=least([s.psnr_db for s in several]),
        ssim=least([s.ssim for s in several]),
        equal=least([s.equal for s in several]),
        finite=all(s.finite for s in several),
        outside_equal=None
        if several[0].outside_equal is None
        else all(s.outside_equal for s in several),
        passed=all(s.passed for s in several),
    )


def _record(stage: StageParity) -> Mapping[str, Any]:
    """Give a stage as JSON values, which have no infinity."""
    return {
        key: (None if isinstance(value, float) and not math.isfinite(value) else value)
        for key, value in dataclasses.asdict(stage).items()
        if value is not None
    }


def _ordinary(matches: Array) -> Array:
    """Mark the positions that are filled: those that do not name themselves."""
    filled: Array = matches != np.arange(matches.size)
    return filled


def _order(stage: StageParity) -> int:
    return ("rough", "features", MATCHES, "attended", contract.RESULT).index(stage.stage)


def _size(model: Any, io: Io) -> tuple[int, int] | None:  # noqa: ANN401
    dims = model.graph.input[0].type.tensor_type.shape.dim
    height, width = dims[1:3] if io == "uint8" else dims[2:4]
    return (height.dim_value, width.dim_value) if height.dim_value else None


def _as_float(image: Array) -> Array:
    """Turn (H, W, 3) uint8 into (3, H, W) float32 in [-1, 1]."""
    scaled: Array = (image.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)
    return scaled


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1e}"
