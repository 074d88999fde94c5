"""Plan the crops of an image, their scales, and the regions that each predicts.

Letters: R regions, P pieces of them. A box is (top, left, bottom, right), the last two exclusive.
Networks are trained on squares of 256 pixels with holes up to some size. So a crop has that size,
a region with a larger hole is scaled down, and a long one is cut into overlapping pieces.
"""

import dataclasses
import itertools
import logging
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ...plugins.errors import ContractError
from ..contract import SIZE_MULTIPLE, TRAINED_HOLE
from ..notices import notify
from ..options import InpaintOptions
from ..tensors.pixels import Bool
from .regions import Index, Labels, bounding_box, connected_regions, largest_square, window_of

logger = logging.getLogger(__name__)

Size = tuple[int, int]  # (H, W)

# At full width the tensors of the image's own size have 128 channels of 4 bytes: half a GiB each
# at this area. The work of the attention grows with the square of it.
WHOLE_MAX_PX: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Crop:
    """One run of the network."""

    top: int  # first row of the image part
    left: int  # its first column
    part: Size  # (H, W) of that part
    scaled: Size  # (H, W) the part is scaled to; equal to ``part`` at full resolution
    network: Size  # (H, W) of the network input; the rest is padded by reflection
    regions: Index  # predicted from this crop; others may lie in it too

    @property
    def window(self) -> tuple[slice, slice]:
        """The part as slices of the image."""
        height, width = self.part
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs for one image; none depends on the result of another."""

    crops: list[Crop]  # in the order of running
    labels: Labels  # (h, w) of the hole's bounding box: region of a hole pixel, else -1
    corner: tuple[int, int] = (0, 0)  # top and left of that box

    def predicted(self, crop: Crop) -> Bool:
        """Return the pixels of a crop's part that are predicted from it, (H, W)."""
        predicted = np.zeros(crop.part, dtype=bool)
        inner, outer = [], []
        for first, length, corner, side in zip(
            (crop.top, crop.left), crop.part, self.corner, self.labels.shape, strict=True
        ):
            low, high = max(first, corner), min(first + length, corner + side)
            inner.append(slice(low - first, high - first))
            outer.append(slice(low - corner, high - corner))
        predicted[tuple(inner)] = np.isin(self.labels[tuple(outer)], crop.regions)
        return predicted


def plan_crops(
    hole: Bool, options: InpaintOptions, size: Size | None, trained: int = TRAINED_HOLE
) -> Plan:
    """Plan the runs for a hole (H, W); ContractError if "whole" would be too large."""
    if options.strategy == "crop":
        return _plan_regions(hole, options, size or (SIZE_MULTIPLE, SIZE_MULTIPLE), trained)
    limit = None if options.strategy == "whole" else options.max_side
    network, scale = _fit(hole.shape, size, limit)
    if size is None and network[0] * network[1] > WHOLE_MAX_PX and limit is None:
        raise ContractError(
            f"strategy 'whole' takes at most {WHOLE_MAX_PX} pixels, because memory and time grow "
            f"with them; got {network[1]} x {network[0]} after padding\n"
            "Use strategy 'crop' (the default) or 'resize'."
        )
    if options.strategy == "whole":
        _log_scales(np.array([scale]))
    regions = np.zeros(1, dtype=np.int64)
    whole = _crop((0, 0, *hole.shape), hole.shape, network, scale, regions)
    return Plan([whole], hole.astype("i4") - 1)


def _plan_regions(hole: Bool, options: InpaintOptions, window: Size, trained: int) -> Plan:
    """Return crops with margins for the pieces of a region; pieces that fit into one share it."""
    box = bounding_box(hole) or (0, 0, 0, 0)
    corner = box[:2]
    labels, boxes = connected_regions(hole[window_of(box)])
    scales, margins = _scales(labels, boxes, options.margin, window, trained, hole.shape)
    pieces = _pieces(labels, boxes, window / scales[:, None] - 2 * margins[:, None])
    pieces[:, :4] += corner * 2
    of = pieces[:, 4]
    reach = np.array([-1, -1, 1, 1]) * margins[of, None]
    needs = np.clip(pieces[:, :4] + reach, 0, np.array(hole.shape * 2))
    order = np.argsort(needs[:, 0], kind="stable")
    needs, of = needs[order], of[order]
    needs = np.column_stack([needs, np.arange(len(needs))])
    crops: list[Crop] = []
    owner = np.full(len(needs), -1, dtype=np.int32)
    full = scales[of] == 1
    owner[~full] = -2  # pieces at another scale are not shared
    for seed in np.argsort(full, kind="stable"):
        if owner[seed] >= 0:
            continue
        members = _sharing(needs, owner, needs[seed], window) if full[seed] else needs[seed][None]
        owner[members[:, 4]] = len(crops)
        around = (*members[:, :2].min(axis=0).tolist(), *members[:, 2:4].max(axis=0).tolist())
        regions = np.unique(of[members[:, 4]])
        crops.append(_crop(around, hole.shape, window, float(scales[of[seed]]), regions))
    _log_scales(scales)
    return Plan(crops, labels, corner)


def _scales(
    labels: Labels, boxes: Index, margin: int, window: Size, trained: int, image: Size
) -> tuple[npt.NDArray[np.float64], Index]:
    """Return the scale of each region, at most 1, and its margin in pixels of the image, (R,)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    holes = sides.min(axis=1)  # the side of the largest square is no larger
    for region in np.flatnonzero(holes > trained):
        around = labels[window_of(boxes[region].tolist())]
        holes[region] = largest_square(around == region)
    scales = np.minimum(1, trained / holes)
    margins = np.minimum(np.maximum(margin, holes * scales / 2), min(window) // 4)
    fitting = (np.array(window) - 2 * margins[:, None]) / sides
    for region in np.flatnonzero((fitting < scales[:, None]).any(axis=1)):
        # A piece of a region that spans the image may have nothing known around it.
        spans = (sides[region] == image) & (sides[region] * scales[region] < window)
        if spans.any():
            scales[region] = min([scales[region], *fitting[region][~spans]])
    return scales, np.floor(margins / scales).astype(np.int64)


def _pieces(labels: Labels, boxes: Index, cores: npt.NDArray[np.float64]) -> Index:
    """Cut regions into boxes no larger than their cores, (P, 5): box and region."""
    sides = boxes[:, 2:] - boxes[:, :2]
    counts = np.ceil(sides / cores).astype(np.int64)
    long = counts.max(axis=1) > 1
    short = np.flatnonzero(~long)
    pieces = [np.column_stack([boxes[short], short])]
    for region in np.flatnonzero(long):
        top, left, bottom, right = boxes[region].tolist()
        rows = np.linspace(top, bottom, counts[region, 0] + 1).astype(int)
        columns = np.linspace(left, right, counts[region, 1] + 1).astype(int)
        for y, below in itertools.pairwise(rows.tolist()):
            for x, beside in itertools.pairwise(columns.tolist()):
                inside = labels[y:below, x:beside] == region
                held = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
                if held[0].size:
                    (first, last), (start, stop) = ((h[0], h[-1] + 1) for h in held)
                    piece = [y + first, x + start, y + last, x + stop, region]
                    pieces.append(np.array([piece], dtype=np.int64))
    return np.concatenate(pieces)


def _sharing(needs: Index, owner: Labels, seed: Index, window: Size) -> Index:
    """Return the rows of ``needs`` without owner that fit into one window with the seed."""
    first, last = np.searchsorted(needs[:, 0], [seed[0] - window[0], seed[0] + window[0]])
    near = needs[first:last][owner[first:last] == -1]
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
        count = int((highs - lows <= window).all(axis=1).sum())  # at least 1
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


def _crop(box: tuple[int, ...], image: Size, network: Size, scale: float, regions: Index) -> Crop:
    """Centre a window of the network's size on a box, and keep it inside the image."""
    corner, part, scaled = [], [], []
    for axis in (0, 1):
        window = max(math.floor(network[axis] / scale), box[axis + 2] - box[axis])
        taken = min(window, image[axis])
        centred = (box[axis] + box[axis + 2] - window) // 2
        corner.append(min(max(centred, 0), image[axis] - taken))
        part.append(taken)
        scaled.append(min(network[axis], max(1, round(taken * scale))))
    return Crop(corner[0], corner[1], (part[0], part[1]), (scaled[0], scaled[1]), network, regions)


def _round_up(side: int) -> int:
    return -(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE


def _log_scales(scales: npt.NDArray[np.float64]) -> None:
    reduced = scales[scales < 1]
    if reduced.size:
        text = (
            "%d of %d holes are larger than those the model was trained on: repaired at reduced "
            "resolution (%.0f %%)"
        )
        values = reduced.size, scales.size, 100 * reduced.min()
        notify(logger, "reduced", text, *values, level=logging.INFO)
