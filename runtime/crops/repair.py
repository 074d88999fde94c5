"""Repair an image part by part; each part is final when it is yielded.

A part holds the crops that share a region of the hole, which are computed together. Parts have no
pixel in common and are independent. Letters: h w sides of a part, M missing pixels.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator

import numpy as np

from ..notices import Notice, collect_notices, notify
from ..options import InpaintOptions
from ..tensors.pixels import Bool, Float32, Uint8
from .blend import correct, edge_band, fading, with_rim
from .plan import Crop, Plan, plan_crops
from .regions import Box, bounding_box, window_of
from .resample import enlarge, pad, shrink
from .texture import transfer_texture

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The model that a repair runs, and its limits."""

    run: Callable[[Uint8, Uint8], Uint8]  # (1, H, W, 3) and (1, H, W, 1), non-zero = missing
    size: tuple[int, int] | None  # the only (H, W); None if any multiple of 256
    least_side: int  # least side of an input
    trained_hole: int  # side of the largest hole that it was trained on
    rim: int  # known pixels around the hole that are predicted, to measure the error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A finished part of a repair."""

    box: Box  # top, left, bottom, right of the part in the image; the last two exclusive
    scale: float  # scale of the network's input, at most 1
    hole: Bool  # (h, w), True where ``pixels`` replace those of the image
    pixels: Uint8  # (h, w, 3), repaired in ``hole``; elsewhere as in the image

    @property
    def window(self) -> tuple[slice, slice]:
        """The box as slices of the image."""
        return window_of(self.box)


class Repair:
    """A planned repair: iterating runs it, and leaving the loop stops it between parts."""

    def __init__(
        self,
        image: Uint8,
        mask: Bool,
        network: Network,
        options: InpaintOptions,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Plan the runs within the bounding box of the mask; arguments as ``Inpainter.parts``."""
        self._image, self._mask = image, mask
        self._network, self._options = network, options
        self._rim = 0 if options.blend == "none" else network.rim
        self._progress = progress or (lambda _done, _runs: None)
        self._done = 0
        self._plan = Plan([], np.empty((0, 0), np.int32), (0, 0))
        with collect_notices() as notices:
            box = bounding_box(mask, self._rim + 1)
            if box is None:
                notify(logger, "empty", "the mask is empty: the output is the image")
            else:
                window = window_of(box)
                self._wide = np.zeros(mask.shape, dtype=bool)
                self._wide[window] = with_rim(mask[window], self._rim)
                self._plan = plan_crops(self._wide, options, network.size, network.trained_hole)
        self.notices: tuple[Notice, ...] = tuple(notices)
        self.runs = len(self._plan.crops)  # runs of the network
        self.scale = min((1.0, *map(_scale, self._plan.crops)))  # the lowest of all crops
        self._groups = _grouped(self._plan.crops)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Part]:
        self._done = 0
        for group in self._groups:
            yield self._repair(group)

    def _repair(self, crops: list[Crop]) -> Part:
        top, left = min(crop.top for crop in crops), min(crop.left for crop in crops)
        bottom = max(crop.top + crop.part[0] for crop in crops)
        right = max(crop.left + crop.part[1] for crop in crops)
        around = slice(top, bottom), slice(left, right)
        pieces = [_Piece(crop, (top, left), self._predicted(crop)) for crop in crops]
        image: Uint8 = self._image[around]
        wide = np.zeros(image.shape[:2], dtype=bool)
        for piece in pieces:
            wide[piece.place] |= piece.predicted
        result: Uint8 = np.array(image)
        result[wide] = self._predict(pieces, wide)
        hole: Bool = wide & self._mask[around]
        scale = min(map(_scale, crops))
        unit = max(1, round(1 / scale))
        rim = wide & ~hole
        if rim.any():
            # Once for all crops of the part, so that their edges meet as well.
            band = None if self._rim else edge_band(hole, unit)
            correct(image, result, hole, self._share(pieces, hole), band=band)
            result[rim] = image[rim]
        if self._options.blend != "none" and self._options.texture:
            transfer_texture(image, result, hole, self._mask[around], unit)
        box = bounding_box(hole) or (0, 0, 0, 0)
        inner = window_of(box)
        return Part(
            box=(top + box[0], left + box[1], top + box[2], left + box[3]),
            scale=scale,
            hole=hole[inner],
            pixels=result[inner],
        )

    def _predicted(self, crop: Crop) -> Bool:
        """Return the pixels to take from a crop, (H, W): its regions, and a rim if scaled down.

        Models without a rim need none at full scale: only the loss by scaling is corrected.
        """
        regions = self._plan.predicted(crop)
        if self._rim or self._options.blend == "none" or crop.scaled == crop.part:
            return regions
        return with_rim(regions, 1) & (regions | ~self._mask[crop.window])

    def _predict(self, pieces: "list[_Piece]", wide: Bool) -> Float32:
        """Return the pixels of a part, (M, 3); overlapping crops fade out towards their edges."""
        flat = np.flatnonzero(wide)
        sums = np.zeros((flat.size, 4), np.float32)  # R, G, B and the weights
        for piece in pieces:
            self._progress(self._done, self.runs)
            crop, (rows, columns) = piece.crop, np.nonzero(piece.predicted)
            index = (rows + piece.place[0].start) * wide.shape[1] + columns + piece.place[1].start
            at = np.searchsorted(flat, index)
            weights = _weights(crop, self._image.shape)[piece.predicted]
            answer = self._run_crop(self._image[crop.window], self._wide[crop.window], crop)
            sums[at, :3] += weights[:, None] * answer[piece.predicted]
            sums[at, 3] += weights
            self._done += 1
        mixed: Float32 = np.rint(sums[:, :3] / sums[:, 3:])
        return mixed

    def _run_crop(self, image: Uint8, missing: Bool, crop: Crop) -> Uint8:
        """Predict one crop of an image, (H, W, 3); valid where it is missing, (H, W)."""
        if crop.scaled == crop.part:
            return self._run(image, missing, crop)
        pixels, missing = shrink(image, missing, crop.scaled)
        missing = with_rim(missing, self._rim)  # keeps known pixels out when enlarged
        answer = self._run(pixels, missing, crop)
        if not self._rim:  # compare the edge with the scaled known pixels
            answer = np.where(missing[..., None], answer, pixels)
        return enlarge(answer, crop.part)

    def _run(self, pixels: Uint8, missing: Bool, crop: Crop) -> Uint8:
        least = self._network.least_side
        size = max(crop.network[0], least), max(crop.network[1], least)
        padded = np.ascontiguousarray(pad(pixels, size), dtype=np.uint8)
        holes = np.ascontiguousarray(pad(missing, size), dtype=np.uint8)
        answers = self._network.run(padded[None], holes[None, ..., None])
        return answers[0, : crop.scaled[0], : crop.scaled[1]]

    def _share(self, pieces: "list[_Piece]", hole: Bool) -> Float32 | None:
        """Return the weight of the correction in the hole, (H, W); None is 1 everywhere."""
        feather = self._options.feather
        if feather is None:
            return None
        share = np.zeros(hole.shape, np.float32)
        for piece in pieces:
            depth = fading(hole[piece.place], feather)
            np.maximum(share[piece.place], depth, where=piece.predicted, out=share[piece.place])
        return share


class _Piece:
    """A crop within its part: its slices, and the pixels predicted from it, (H, W)."""

    def __init__(self, crop: Crop, corner: tuple[int, int], predicted: Bool) -> None:
        rows, columns = crop.window
        self.crop, self.predicted = crop, predicted
        self.place = (
            slice(rows.start - corner[0], rows.stop - corner[0]),
            slice(columns.start - corner[1], columns.stop - corner[1]),
        )


def _grouped(crops: list[Crop]) -> list[list[Crop]]:
    """Return the crops in groups that share no region, in the order of the plan."""
    group_of: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    for number, crop in enumerate(crops):
        regions = crop.regions.tolist()
        joined = sorted({group_of[region] for region in regions if region in group_of})
        members = [one for group in joined for one in groups.pop(group)]
        groups[number] = [*members, number]
        for member in groups[number] if joined else [number]:
            group_of.update(dict.fromkeys(crops[member].regions.tolist(), number))
    ordered = sorted(sorted(members) for members in groups.values())
    return [[crops[member] for member in members] for members in ordered]


def _scale(crop: Crop) -> float:
    """Return the scale of a crop, at most 1."""
    return min(1.0, *(small / whole for small, whole in zip(crop.scaled, crop.part, strict=True)))


def _weights(crop: Crop, image: tuple[int, ...]) -> Float32:
    ramps = []
    for first, length, whole in zip((crop.top, crop.left), crop.part, image, strict=False):
        ramp = np.full(length, np.float32(length))
        steps = np.arange(1, length + 1, dtype=np.float32)
        if first > 0:
            ramp = np.minimum(ramp, steps)
        if first + length < whole:
            ramp = np.minimum(ramp, steps[::-1])
        ramps.append(ramp)
    weights: Float32 = np.minimum(ramps[0][:, None], ramps[1])
    return weights
