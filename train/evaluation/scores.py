"""Scores of one model on pairs of image and hole: per image, and as means.

The scored result takes the hole from the model, rounded to 8 bits, and the rest from the image.
Letters: B images, H W sides in pixels.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ...runtime.tensors.pixels import Bool, Float32, Uint8, float_from_uint8, uint8_from_float
from ..data.mask_sources import BUCKETS, bucket_of
from .metrics import NOT_A_NUMBER, Measures, measure, sharpness

Run = Callable[[Float32, Float32], Float32]
"""Inpaint (B, 3, H, W) in [-1, 1] with holes (B, 1, H, W), 1 = missing, to (B, 3, H, W)."""

Pair = tuple[str, Uint8, Bool]
"""Name, image (H, W, 3), hole (H, W), True = missing."""

ALL: Final = "all"
OVER: Final = "over 60"  # per cent of the pixels; above all buckets


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageScore:
    """Scores of one image."""

    name: str
    position: int  # of the pair in the sequence, from 0
    hole_ratio: float  # missing pixels over all, in (0, 1]
    bucket: str  # one of ``BUCKETS``, or ``OVER``
    finite: bool  # whether the result has no NaN or infinity; otherwise the measures are NaN
    whole: Measures  # over the whole image
    inside: Measures  # inside the hole
    sharpness: float = math.nan  # gradient energy inside the hole over the truth's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Means over the images of one bucket, or over all; NaN if a result is not finite."""

    bucket: str  # one of ``BUCKETS``, ``OVER``, or ``ALL``
    images: int
    hole_ratio: float  # mean, in (0, 1]
    exact: int  # images equal to the truth: their PSNR is infinite, and left out of its mean
    whole: Measures
    inside: Measures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Scores of one model on one kind of holes."""

    images: tuple[ImageScore, ...]  # at least one, in the order of the pairs
    empty: tuple[str, ...] = ()  # names of the images whose hole was empty; they are not scored

    @property
    def not_finite(self) -> tuple[str, ...]:
        """Names of the images whose result has NaN or infinity."""
        return tuple(score.name for score in self.images if not score.finite)

    @property
    def passed(self) -> bool:
        """Whether every result is finite."""
        return not self.not_finite

    def overall(self) -> Row:
        """Return the means over all images."""
        return _row(ALL, self.images)

    def rows(self) -> list[Row]:
        """Return the means over all images, then those of each bucket that has any."""
        of_bucket = {
            bucket: [score for score in self.images if score.bucket == bucket]
            for bucket in (*BUCKETS, OVER)
        }
        return [self.overall(), *(_row(name, some) for name, some in of_bucket.items() if some)]


def evaluate(run: Run, pairs: Iterable[Pair], *, batch: int = 1) -> Report:
    """Score a model on pairs, ``batch`` at a time, which must then be of one size.

    Pairs with an empty hole are not run: any model would be perfect. A result that is not finite
    is reported, not raised.
    """
    empty: list[str] = []
    scores: list[ImageScore] = []
    remaining = _with_holes(pairs, empty)
    while several := list(itertools.islice(remaining, batch)):
        results = composites(run, [pair for _, pair in several])
        for (position, pair), result in zip(several, results, strict=True):
            scores.append(_score(position, pair, result))
    if not scores:
        raise ContractError(
            "at least one image must have a missing pixel; got "
            + (f"{len(empty)} empty holes" if empty else "no image")
        )
    return Report(images=tuple(scores), empty=tuple(empty))


def composites(run: Run, pairs: Sequence[Pair]) -> list[Uint8 | None]:
    """Run a model on pairs of one size; return (H, W, 3) composites, None where not finite."""
    images = float_from_uint8(np.stack([image for _, image, _ in pairs]))
    holes = np.stack([hole for _, _, hole in pairs])[:, None].astype(np.float32)
    results = run(images, holes)
    if results.shape != images.shape:
        raise ContractError(f"a model must return shape {images.shape}; got {results.shape}")
    return [
        np.where(hole[..., None], uint8_from_float(result[None])[0], image)
        if np.isfinite(result).all()
        else None
        for (_, image, hole), result in zip(pairs, results, strict=True)
    ]


def _with_holes(pairs: Iterable[Pair], empty: list[str]) -> Iterator[tuple[int, Pair]]:
    """Yield the pairs with a hole, numbered; append the names of the others to ``empty``."""
    for position, pair in enumerate(pairs):
        if pair[2].any():
            yield position, pair
        else:
            empty.append(pair[0])


def _score(position: int, pair: Pair, result: Uint8 | None) -> ImageScore:
    name, image, hole = pair
    nothing = NOT_A_NUMBER, NOT_A_NUMBER
    whole, inside = nothing if result is None else measure(result, image, hole)
    return ImageScore(
        name=name,
        position=position,
        hole_ratio=float(hole.mean()),
        bucket=bucket_of(hole) or OVER,
        finite=result is not None,
        whole=whole,
        inside=inside,
        sharpness=math.nan if result is None else sharpness(result, image, hole),
    )


def _row(bucket: str, scores: Sequence[ImageScore]) -> Row:
    return Row(
        bucket=bucket,
        images=len(scores),
        hole_ratio=_mean([score.hole_ratio for score in scores]),
        exact=sum(score.inside.psnr_db == math.inf for score in scores),
        whole=_mean_measures([score.whole for score in scores]),
        inside=_mean_measures([score.inside for score in scores]),
    )


def _mean_measures(several: Sequence[Measures]) -> Measures:
    decibels = [one.psnr_db for one in several if one.psnr_db != math.inf]
    return Measures(
        l1_percent=_mean([one.l1_percent for one in several]),
        l2_percent=_mean([one.l2_percent for one in several]),
        ssim=_mean([one.ssim for one in several]),
        psnr_db=_mean(decibels) if decibels else math.inf,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
