"""Metrics: errors of a result, over the whole image and inside the hole. H W are sides in pixels.

A picture is (H, W, 3) uint8, of range R = 255; or (3, H, W) float32 in [-1, 1], of range 2.
With e the differences over all channels of a region, divided by R:

    mean L1 %   100 mean |e|          mean L2 %   100 mean e^2          PSNR   -10 log10 mean e^2

SSIM is scikit-image's with its defaults, on intensities from 0 (network numbers are shifted by 1);
inside the hole, the mean of its map over the hole's pixels. The paper states no form of its SSIM.
"""

import dataclasses
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError
from ...runtime.tensors.pixels import Bool, Uint8

Picture = npt.NDArray[np.uint8] | npt.NDArray[np.float32]

FLOAT_RANGE: Final = 2.0  # network numbers are in [-1, 1]
BYTE_RANGE: Final = 255.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measures:
    """The paper's four numbers, over one region of one image or as means over images."""

    l1_percent: float  # mean absolute error over [0, 1], in per cent
    l2_percent: float  # mean squared error over [0, 1], in per cent
    ssim: float  # structural similarity, at most 1
    psnr_db: float  # peak signal-to-noise ratio; infinite where nothing differs


NOT_A_NUMBER: Final = Measures(
    l1_percent=math.nan, l2_percent=math.nan, ssim=math.nan, psnr_db=math.nan
)


def measure(result: Uint8, truth: Uint8, hole: Bool) -> tuple[Measures, Measures]:
    """Compare an (H, W, 3) result with the truth: in the whole image, and in the hole's pixels."""
    _checked(result, truth, hole)
    mean, similarity = _similarity(result, truth)
    everywhere = np.ones_like(hole)
    return (
        _measures(result, truth, everywhere, mean),
        _measures(result, truth, hole, float(similarity[hole].mean())),
    )


def hole_psnr(result: Picture, truth: Picture, hole: Bool) -> float:
    """Compute the PSNR over an (H, W) hole; infinite where nothing differs or is missing."""
    result, truth = _checked(result, truth, hole)
    return _psnr(result, truth, hole) if hole.any() else math.inf


def hole_ssim(result: Picture, truth: Picture, hole: Bool) -> float:
    """Compute the mean SSIM of windows centred in an (H, W) hole; 1 where nothing is missing."""
    result, truth = _checked(result, truth, hole)
    return float(_similarity(result, truth)[1][hole].mean()) if hole.any() else 1.0


def sharpness(result: Uint8, truth: Uint8, hole: Bool) -> float:
    """Compute the gradient energy inside a hole over the truth's; NaN where the truth has none."""

    def energy(picture: Uint8) -> float:  # of neighbours that are both in the hole
        rows = np.diff(picture.astype(np.float64), axis=0)[hole[1:] & hole[:-1]]
        columns = np.diff(picture.astype(np.float64), axis=1)[hole[:, 1:] & hole[:, :-1]]
        return float(np.square(rows).sum() + np.square(columns).sum())

    wanted = energy(truth)
    return energy(result) / wanted if wanted else math.nan


def _measures(result: Uint8, truth: Uint8, region: Bool, ssim: float) -> Measures:
    from skimage.metrics import mean_squared_error  # deferred: heavy

    found, wanted = result[region].astype(np.float64), truth[region].astype(np.float64)
    return Measures(
        l1_percent=float(100 * np.abs(found - wanted).mean() / BYTE_RANGE),
        l2_percent=float(100 * mean_squared_error(found, wanted) / BYTE_RANGE**2),
        ssim=ssim,
        psnr_db=_psnr(result, truth, region),
    )


def _psnr(result: Picture, truth: Picture, region: Bool) -> float:
    from skimage.metrics import peak_signal_noise_ratio  # deferred: heavy

    with np.errstate(divide="ignore", invalid="ignore"):  # infinity or NaN is the result
        return float(
            peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
                truth[region], result[region], data_range=_range(truth)
            )
        )


def _similarity(result: Picture, truth: Picture) -> tuple[float, npt.NDArray[Any]]:
    """Return the mean structural similarity and its map, (H, W, 3)."""
    from skimage.metrics import structural_similarity  # deferred: heavy

    if truth.dtype != np.uint8:
        truth, result = truth + np.float32(1), result + np.float32(1)
    with np.errstate(invalid="ignore"):  # infinite values: the result is NaN
        mean, similarity = structural_similarity(  # type: ignore[no-untyped-call]
            truth, result, channel_axis=-1, data_range=_range(truth), full=True
        )
    return float(mean), similarity


def _range(picture: Picture) -> float:
    return BYTE_RANGE if picture.dtype == np.uint8 else FLOAT_RANGE


def _checked(result: Picture, truth: Picture, hole: Bool) -> tuple[Picture, Picture]:
    """Check the arguments of a metric; return both pictures as (H, W, 3)."""
    height, width = hole.shape if hole.ndim == 2 else (0, 0)
    shape = (height, width, 3) if truth.dtype == np.uint8 else (3, height, width)
    same = result.shape == truth.shape == shape and result.dtype == truth.dtype
    if not same or hole.dtype != np.bool_:
        raise ContractError(
            "result and truth must both be (H, W, 3) uint8 or both (3, H, W) float32, and hole "
            f"(H, W) bool; got {result.shape} {result.dtype}, {truth.shape} {truth.dtype} and "
            f"{hole.shape} {hole.dtype}"
        )
    if truth.dtype == np.uint8:
        return result, truth
    return np.moveaxis(result, 0, -1), np.moveaxis(truth, 0, -1)
