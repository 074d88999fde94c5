"""An evaluation as a table for people and as JSON for programs."""

import dataclasses
import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...plugins.versions import installed
from .margins import Margin, margin
from .metrics import Measures
from .models import Model
from .scores import ImageScore, Report, Row

SCHEMA: Final = 1  # of the JSON; raised when an old reader would misread it

DEFINITIONS: Final = {
    "result": "hole from the model, rounded to 8 bits; all other pixels from the image",
    "l1_percent": "mean absolute error over [0, 1], all channels, in per cent",
    "l2_percent": "mean squared error over [0, 1], all channels, in per cent",
    "ssim": "scikit-image: 7x7 uniform windows, sample covariance, K1 0.01, K2 0.03, range 255, "
    "mean over channels; inside the hole: mean of the map over its pixels",
    "psnr_db": "10 log10(1 / mean squared error over [0, 1])",
    "sharpness": "squared differences of neighbours that are both in the hole, summed, over the "
    "truth's; margins hold the median over images",
    "margins": "against the best of the baselines in each image",
    "means": "over images, each counting the same; a PSNR is left out where nothing differs",
    "bucket": "per cent of the pixels that are missing, the upper edge included",
}
_LIBRARIES: Final = (
    *("csakit", "numpy", "pillow", "scikit-image", "torch"),
    *("onnxruntime", "opencv-python-headless"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Several models on the same images and the same holes."""

    data: Mapping[str, Any]  # what was evaluated on, JSON-serialisable
    models: Mapping[str, Model]  # by the name that each has in tables
    reports: Mapping[str, Mapping[str, Report]]  # kind of holes to name of model to report
    baselines: Sequence[str] = ()  # names of the models that the others are compared with
    broken: Sequence[str] = ()  # images that could not be read, with the reason

    def margins(self) -> dict[str, dict[str, Margin]]:
        """Compare each model with the best of the baselines: name to kind of holes to margin."""
        others = [name for name in self.models if self.baselines and name not in self.baselines]
        return {
            name: {
                kind: margin(of[name], [of[other] for other in self.baselines])
                for kind, of in self.reports.items()
            }
            for name in others
        }

    @property
    def failures(self) -> list[str]:
        """A line for each model and kind of holes with a result that is not finite."""
        return [
            f"{name} returned NaN or infinity for {masks} in {len(report.not_finite)} of "
            f"{len(report.images)} images, first {report.not_finite[0]}"
            for masks, reports in self.reports.items()
            for name, report in reports.items()
            if not report.passed
        ]

    @property
    def passed(self) -> bool:
        """Whether every result of every model is finite."""
        return not self.failures

    def table(self) -> str:
        """Return the means as a table with one line per kind of holes, bucket and model."""
        cells = [("masks", "hole %", "images", "model", *_MEASURES, *_MEASURES)]
        for masks, reports in self.reports.items():
            for several in zip(*map(_shown, reports.values()), strict=True):
                for name, row in zip(reports, several, strict=True):
                    numbers = _texts(row.whole) + _texts(row.inside)
                    cells.append((masks, row.bucket, str(row.images), name, *numbers))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        fields = [f"{{:{side}{width}}}" for side, width in zip(_SIDES, widths, strict=True)]
        line = f"{'  '.join(fields[:-4])}   {'  '.join(fields[-4:])}"  # a gap before the hole
        head, *lines = (line.format(*row) for row in cells)
        whole, inside = head.index(_MEASURES[0]), head.rindex(_MEASURES[0])
        regions = f"{'':<{whole}}{'whole image':<{inside - whole}}inside the hole"
        return "\n".join([regions, head, *lines])

    def notes(self) -> list[str]:
        """Return a line for each kind of image that was left out."""
        lines = []
        for masks, reports in self.reports.items():
            if empty := next(iter(reports.values())).empty:
                lines.append(f"not scored, empty hole: {len(empty)} of {masks}")
        if self.broken:
            lines.append(f"not read, broken: {len(self.broken)}, first {self.broken[0]}")
        for masks, reports in self.reports.items():
            for name, report in reports.items():
                if exact := report.overall().exact:
                    lines.append(f"no PSNR, equal to the truth: {exact} of {masks} by {name}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels, JSON-serialisable; null where there is no number."""
        versions = {"python": platform.python_version(), **{n: installed(n) for n in _LIBRARIES}}
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "data": dict(self.data),
            "broken": list(self.broken),
            "definitions": DEFINITIONS,
            "libraries": {name: version for name, version in versions.items() if version},
            "baselines": list(self.baselines),
            "margins": _plain(self.margins()),
            "models": [
                {
                    "name": name,
                    "file": model.path.name,
                    "sha256": model.sha256,
                    "backend": model.backend,
                    "facts": _plain(model.facts),
                    "masks": {kind: _record(of[name]) for kind, of in self.reports.items()},
                }
                for name, model in self.models.items()
            ],
        }


_MEASURES: Final = ("L1 %", "L2 %", "SSIM", "PSNR dB")
_SIDES: Final = "<<><" + 2 * ">>>>"  # masks, hole %, images, model, measures of both regions


def _shown(report: Report) -> list[Row]:
    """Return the rows to print, without overall means if all images are of one bucket."""
    overall, *buckets = report.rows()
    return buckets if len(buckets) == 1 else [overall, *buckets]


def _texts(of: Measures) -> list[str]:
    return f"{of.l1_percent:.2f} {of.l2_percent:.3f} {of.ssim:.4f} {of.psnr_db:.2f}".split()


def _record(report: Report) -> dict[str, Any]:
    return {
        "empty": list(report.empty),
        "not_finite": list(report.not_finite),
        "rows": [_rounded(row) for row in report.rows()],
        "images": [_rounded(score) for score in report.images],
    }


def _rounded(scored: Row | ImageScore) -> dict[str, Any]:
    fields = {key: _plain(value) for key, value in dataclasses.asdict(scored).items()}
    fields.pop("position", None)
    return {**fields, "hole_ratio": round(scored.hole_ratio, 6)}


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Copy JSON values, with None for NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
