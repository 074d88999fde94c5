"""Which parts of an image the network runs on, at which scale, and which pixels each fills.

Letters: H W sides in pixels, R regions. A box is (top, left, bottom, right), the last two
exclusive. All strategies are plans: "whole" and "resize" have one crop, the image.
"""

import dataclasses
import logging
import math
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ..contract import SIZE_MULTIPLE
from ..options import InpaintOptions
from ..tensors.pixels import Bool
from .regions import Index, Labels, connected_regions

logger = logging.getLogger(__name__)

Size = tuple[int, int]  # (H, W)

# At full width the tensors of the image's own size have 128 channels of 4 bytes: half a GiB each
# at this area. The work of the attention grows with the square of it.
WHOLE_MAX_PX: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Crop:
    """One run of the network.

    Attributes:
        top: first row of the part of the image that is taken.
        left: first column.
        part: (H, W) of that part.
        scaled: (H, W) the part is scaled to; equal to ``part`` at full resolution.
        network: (H, W) of the network input; the rest is padded by reflection.
    """

    top: int
    left: int
    part: Size
    scaled: Size
    network: Size

    @property
    def window(self) -> tuple[slice, slice]:
        """The part, as an index into the image."""
        height, width = self.part
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs for one image.

    Attributes:
        crops: in the order of running; none looks at the result of another.
        owner: (H, W), the crop that fills a hole pixel; -1 at known pixels.
    """

    crops: list[Crop]
    owner: Labels


def plan_crops(hole: Bool, options: InpaintOptions, size: Size | None) -> Plan:
    """Plan the runs for one image.

    Args:
        hole: (H, W), True where pixels are missing.
        options: the strategy and its limits.
        size: the one (H, W) the model takes; None if it takes any multiple of 256.

    Returns:
        The plan. Every hole pixel has exactly one owner, whose part contains it.

    Raises:
        ContractError: the strategy is "whole" and the image too large for any memory.
    """
    if options.strategy == "crop":
        return _plan_regions(hole, options, size)
    limit = None if options.strategy == "whole" else options.max_side
    network, scale = _fit(hole.shape, size, limit)
    if size is None and network[0] * network[1] > WHOLE_MAX_PX and limit is None:
        raise ContractError(
            f"strategy 'whole' takes at most {WHOLE_MAX_PX} pixels, because memory and time grow "
            f"with them; got {network[1]} x {network[0]} after padding\n"
            "Use strategy 'crop' (the default) or 'resize'."
        )
    if options.strategy == "whole":
        _log_scales([scale])
    return Plan([_crop((0, 0, *hole.shape), hole.shape, network, scale)], hole.astype("i4") - 1)


def _plan_regions(hole: Bool, options: InpaintOptions, size: Size | None) -> Plan:
    """Give each region a crop with its margin; regions that fit into one crop share it."""
    labels, boxes = connected_regions(hole)
    margin = np.array([-1, -1, 1, 1]) * options.margin
    needs = np.clip(boxes + margin, 0, np.array(hole.shape * 2))
    needs = np.column_stack([needs, np.arange(len(needs))])  # regions are sorted by their tops
    base = size or (SIZE_MULTIPLE, SIZE_MULTIPLE)
    small = (needs[:, 2] - needs[:, 0] <= base[0]) & (needs[:, 3] - needs[:, 1] <= base[1])
    crops: list[Crop] = []
    scales: list[float] = []
    owner = np.full(len(boxes) + 1, -1, dtype=np.int32)  # the last entry is for label -1
    for seed in np.argsort(small, kind="stable"):  # large ones first: they have room to share
        if owner[seed] >= 0:
            continue
        need = needs[seed]
        extent = int(need[2] - need[0]), int(need[3] - need[1])
        network, scale = _fit(extent, size, options.max_side)
        scales.append(scale)
        # Where a crop loses resolution, small regions are better off with their own.
        members = _sharing(needs, owner, need, network) if scale == 1 else need[None]
        owner[members[:, 4]] = len(crops)
        box = (*members[:, :2].min(axis=0).tolist(), *members[:, 2:4].max(axis=0).tolist())
        crops.append(_crop(box, hole.shape, network, scale))
    _log_scales(scales)
    return Plan(crops, owner[labels])


def _sharing(needs: Index, owner: Labels, seed: Index, window: Size) -> Index:
    """Return the rows of ``needs`` without owner that fit into one window with the seed.

    The box around the seed grows over its neighbours, nearest first, while it fits.
    """
    first, last = np.searchsorted(needs[:, 0], [seed[0] - window[0], seed[0] + window[0]])
    near = needs[first:last][owner[first:last] < 0]
    near = near[near[:, 4] != seed[4]]
    low, high, members = seed[:2], seed[2:4], [seed[None]]
    while True:
        lows, highs = np.minimum(near[:, :2], low), np.maximum(near[:, 2:4], high)
        fitting = np.flatnonzero((highs - lows <= window).all(axis=1))
        if not fitting.size:
            return np.concatenate(members)
        order = fitting[np.argsort((highs - lows)[fitting].sum(axis=1), kind="stable")]
        lows = np.minimum.accumulate(lows[order])
        highs = np.maximum.accumulate(highs[order])
        count = int((highs - lows <= window).all(axis=1).sum())  # the first one fits
        low, high = lows[count - 1], highs[count - 1]
        members.append(near[order[:count]])
        near = near[order[count:]]


def _fit(extent: Size, size: Size | None, max_side: int | None) -> tuple[Size, float]:
    """Return the network size for a part, and the scale, at most 1, that makes it fit."""
    height, width = extent
    if size is not None:
        return size, min(1.0, size[0] / height, size[1] / width)
    limit = max_side or max(_round_up(height), _round_up(width))
    scale = min(1.0, limit / height, limit / width)
    return (
        min(limit, _round_up(math.ceil(height * scale))),
        min(limit, _round_up(math.ceil(width * scale))),
    ), scale


def _crop(box: tuple[int, ...], image: Size, network: Size, scale: float) -> Crop:
    """Centre a window of the network's size on a box, and keep it inside the image."""
    corner, part, scaled = [], [], []
    for axis in (0, 1):
        window = max(math.floor(network[axis] / scale), box[axis + 2] - box[axis])
        taken = min(window, image[axis])
        centred = (box[axis] + box[axis + 2] - window) // 2
        corner.append(min(max(centred, 0), image[axis] - taken))
        part.append(taken)
        scaled.append(min(network[axis], max(1, round(taken * scale))))
    return Crop(corner[0], corner[1], (part[0], part[1]), (scaled[0], scaled[1]), network)


def _round_up(side: int) -> int:
    """Return the next multiple of 256."""
    return -(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE


def _log_scales(scales: list[float]) -> None:
    """Say that detail is lost."""
    reduced = [scale for scale in scales if scale < 1]
    if reduced:
        logger.warning(
            "%d of %d parts exceed what the network takes and are repaired at reduced resolution "
            "(%.0f %%)",
            *(len(reduced), len(scales), 100 * min(reduced)),
        )
