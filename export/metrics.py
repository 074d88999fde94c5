"""What two arrays differ by, where it matters: inside the hole.

Letters: B images, C channels, H W sides.
"""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

RANGE = 2.0  # images are in [-1, 1]


def psnr_in_hole(reference: Array, other: Array, hole: npt.NDArray[np.bool_]) -> float:
    """Compute the peak signal-to-noise ratio over the pixels of a hole.

    Args:
        reference: (3, H, W) in [-1, 1].
        other: (3, H, W).
        hole: (H, W).

    Returns:
        Decibels; infinite where they are equal, and where no pixel is missing.
    """
    if not hole.any():
        return math.inf
    error = float(np.mean(np.square(reference - other, dtype=np.float64)[:, hole]))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(RANGE**2 / np.float64(error)))


def ssim_in_hole(reference: Array, other: Array, hole: npt.NDArray[np.bool_]) -> float:
    """Compute the mean structural similarity over windows centred in a hole.

    Args:
        reference: (3, H, W) in [-1, 1].
        other: (3, H, W).
        hole: (H, W).

    Returns:
        1 where they are equal, and where no pixel is missing.
    """
    from skimage.metrics import structural_similarity  # deferred: heavy

    if not hole.any():
        return 1.0
    with np.errstate(invalid="ignore"):  # infinite values: the answer is not a number
        _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
            reference, other, channel_axis=0, data_range=RANGE, full=True
        )
    return float(similarity[:, hole].mean())
