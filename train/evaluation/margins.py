"""Margins of a model over the best baseline of each picture.

``python -m csakit.train.evaluation.margins README.md`` updates the tables of a document from the
records that its comments name.
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt

from .scores import Report

_BLOCK: Final = re.compile(
    r"(?P<open>^<!-- evaluation: (?P<path>\S+) -->\n).*?(?P<close>^<!-- end of evaluation -->$)",
    re.MULTILINE | re.DOTALL,
)
_HEAD: Final = (
    *("holes", "PSNR dB", "best baseline", "gain"),
    *("SSIM", "best baseline", "sharpness", "better in"),
)


class Margin(TypedDict):
    """Means in the hole over pictures, of a model and of the best baseline of each picture."""

    images: int
    psnr_db: float  # of the model
    best_psnr_db: float  # of the best baseline of each picture
    gain_db: float  # the mean of their differences
    ssim: float
    best_ssim: float
    sharpness: float  # gradient energy in the hole over the truth's, the median over pictures
    best_sharpness: float  # that of the sharpest baseline
    wins: float  # share of pictures in which the model's PSNR is above that of every baseline


def margin(model: Report, baselines: Sequence[Report]) -> Margin:
    """Return the margins of a model over one or more baselines on the same pictures."""
    images = model.images
    psnr = np.array([score.inside.psnr_db for score in images])
    ssim = np.array([score.inside.ssim for score in images])
    others = [[score.inside for score in report.images] for report in baselines]
    best_psnr = np.max([[inside.psnr_db for inside in one] for one in others], axis=0)
    best_ssim = np.max([[inside.ssim for inside in one] for one in others], axis=0)
    finite = np.isfinite(psnr) & np.isfinite(best_psnr)  # equal to the truth: no decibels

    def mean(values: npt.NDArray[np.float64]) -> float:
        return float(values[finite].mean()) if finite.any() else math.nan

    return Margin(
        images=len(images),
        psnr_db=mean(psnr),
        best_psnr_db=mean(best_psnr),
        gain_db=mean(psnr) - mean(best_psnr),
        ssim=float(ssim.mean()),
        best_ssim=float(best_ssim.mean()),
        sharpness=_median(model),
        best_sharpness=max(map(_median, baselines)),
        wins=float((psnr > best_psnr).mean()),
    )


def markdown(margins: Mapping[str, Margin]) -> str:
    """Return the margins of one model, by kind of holes, as a Markdown table."""
    rows = [_HEAD, ("---", *["--:"] * (len(_HEAD) - 1))]
    for kind, m in margins.items():
        rows.append(
            (
                kind,
                *(f"{m['psnr_db']:.1f}", f"{m['best_psnr_db']:.1f}", f"{m['gain_db']:+.2f}"),
                *(f"{m['ssim']:.3f}", f"{m['best_ssim']:.3f}"),
                f"{m['sharpness']:.2f}",
                f"{m['wins']:.0%} of {m['images']}",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def written_into(document: str, folder: Path) -> str:
    """Return a document with its tables updated from the records that its comments name."""

    def block(match: re.Match[str]) -> str:
        record = json.loads((folder / match["path"]).read_text(encoding="utf-8"))
        tables = "\n\n".join(markdown(margins) for margins in record["margins"].values())
        return f"{match['open']}\n{tables}\n\n{match['close']}"

    return _BLOCK.sub(block, document)


def _median(report: Report) -> float:
    """Return the median sharpness, of the pictures that have one."""
    values = [s.sharpness for s in report.images if not math.isnan(s.sharpness)]
    return float(np.median(values)) if values else math.nan


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(written_into(target.read_text("utf-8"), target.parent), "utf-8")
