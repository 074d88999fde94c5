"""Texture transfer: add the fine detail of similar known blocks to large holes.

A network trained for the least error predicts the mean of all plausible contents, which deep in a
large hole is a blur. The blur is kept; the detail that a box filter removes from known blocks is
added. Letters: H W sides in image pixels, h w in network pixels (of the scaled crop), u image
pixels for one network pixel, K candidates, Q blocks to fill. Lengths are in network pixels.

Source: Yi et al., "Contextual Residual Aggregation", CVPR 2020, arXiv:2005.09704; here blocks are
matched by colour and roughness instead of attention scores.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter

from ..tensors.pixels import Bool, Float32, Uint8
from .blend import with_rim
from .harmonic import HarmonicContinuation
from .regions import bounding_box, distance_to
from .resample import shrink, whole_squares

# Radius of the largest disc in a hole. In spots of radius 15 to 22 texture cost 0.2 dB.
LEAST_RADIUS: Final = 24
_DEPTH: Final = 4  # distance from the edge at which texture begins
_FADE: Final = 6  # distance over which it grows to full strength
_REACH: Final = 96  # around the hole, searched for blocks
# Side of the box filter. By the eye 15 is more natural, but costs 0.2 dB more in boxes.
_FILTER: Final = 9
_STRONGEST: Final = 1.3  # times the expected roughness
_CELL: Final = 8  # side of the cells whose means describe a block
_BLOCK: Final = 4  # cells; blocks of 2 repeat visibly, blocks of 8 find fewer that fit
_ROUGHNESS_WEIGHT: Final = 0.3  # of a factor e in roughness, relative to half the colour range
_JITTER: Final = 0.5  # random part of log distances; without it neighbours copy the same block
_REPEAT: Final = 0.3  # for each copy of a block or of one that overlaps; 1 costs sharpness
_LEAST_ROUGHNESS: Final = 0.8  # of 255 levels; smoother cells count as equal
_LEAST_KNOWN: Final = 0.3  # share of a neighbourhood; with less it is ignored
_CANDIDATES_MAX: Final = 4096  # 1 MiB of descriptions


def transfer_texture(image: Uint8, result: Uint8, hole: Bool, missing: Bool, unit: int) -> None:
    """Add texture in place to a repaired ``result`` (H, W, 3), where the hole (H, W) is large.

    ``missing`` is the hole and all else that must not be copied, ``unit`` is u, at least 1.
    """
    weight = _weight(whole_squares(hole, unit), unit)
    box = bounding_box(weight > 0, _REACH)
    if box is None:
        return
    top, left, bottom, right = box
    window = slice(top * unit, bottom * unit), slice(left * unit, right * unit)
    image, result, hole, missing = image[window], result[window], hole[window], missing[window]
    weight = weight[top:bottom, left:right]
    _paste(image, result, weight, _Cells(result, hole, missing, weight), unit)


def _weight(hole: Bool, unit: int) -> Float32:
    """Return the weight of the texture at each pixel, (h, w): 0 in thin parts and at edges.

    A larger unit begins nearer to the edge: detail lost by scaling is missing there too.
    """
    depth = distance_to(~hole, LEAST_RADIUS)
    core = depth >= LEAST_RADIUS
    if not core.any():
        return np.zeros(hole.shape, np.float32)
    beyond = distance_to(core, LEAST_RADIUS + _FADE) - LEAST_RADIUS
    fade = np.float32(max(_FADE / unit, _FADE / 2))
    weight: Float32 = np.clip((depth - _DEPTH / unit) / fade, 0, 1)
    weight *= np.clip(1 - beyond / np.float32(_FADE), 0, 1)
    return weight


class _Cells:
    """Colour of cells, and ``roughness``, the logarithm of the deviation from the box filter."""

    def __init__(self, result: Uint8, hole: Bool, missing: Bool, weight: Float32) -> None:
        """Describe a window (H, W) in network pixels, (h, w); the last cells may reach beyond.

        Missing pixels outside of the hole are foreign: not repaired, and ignored.
        """
        foreign = missing & ~hole
        if foreign.any():
            result = np.where(foreign[..., None], np.uint8(0), result)
        image, foreign = shrink(result, foreign, weight.shape)
        missing = ~whole_squares(~missing, len(missing) // len(weight))
        self._sides = tuple(-(-side // _CELL) for side in missing.shape)
        known = ~(missing | with_rim(foreign, _FILTER // 2))
        energy = np.square(_detail(image, _FILTER)).mean(axis=2) * known
        self.roughness = _roughness(self._means(energy)[..., 0], self._means(known)[..., 0])
        colours = self._means(image) / 127.5
        described = np.dstack([colours, _ROUGHNESS_WEIGHT * self.roughness])
        self._described: Float32 = described.astype(np.float32)
        whole = [side // _CELL for side in missing.shape]
        self._known = self._means(missing)[..., 0] == 0
        self._known[whole[0] :] = self._known[:, whole[1] :] = False
        self._wanted = self._means(weight)[..., 0] > 0

    def _means(self, values: npt.NDArray[np.generic]) -> Float32:
        """Return the means of (h, w) or (h, w, C) in the cells, a channel each."""
        rows, columns = self._sides
        added = [(0, rows * _CELL - len(values)), (0, columns * _CELL - values.shape[1]), (0, 0)]
        whole = np.pad(values, added[: values.ndim], mode="edge")
        squares = whole.reshape(rows, _CELL, columns, _CELL, -1)
        means: Float32 = squares.mean(axis=(1, 3), dtype=np.float32)
        return means

    def matches(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the first cells of Q known blocks and of the blocks to fill, both (Q, 2).

        Blocks to fill overlap by half, and begin up to half a block outside of the window.
        """
        half = _BLOCK // 2
        pads = (half, _BLOCK)
        described = np.pad(self._described, (pads, pads, (0, 0)), mode="edge")
        wanted = sliding_window_view(np.pad(self._wanted, (pads, pads)), (_BLOCK, _BLOCK))
        targets = half * np.argwhere(wanted[::half, ::half].any(axis=(2, 3)))
        sources = np.empty((0, 2), np.intp)
        if min(self._sides) >= _BLOCK:
            known = sliding_window_view(self._known, (_BLOCK, _BLOCK))
            sources = np.argwhere(known.all(axis=(2, 3)))
        if not len(sources):
            return sources, sources
        sources = sources[:: -(-len(sources) // _CANDIDATES_MAX)]
        nearest = _nearest(_blocks(described, targets), _blocks(self._described, sources), sources)
        return sources[nearest], targets - half


def _detail(image: Uint8, side: float) -> Float32:
    """Return the detail that a box filter removes from an image, (H, W, 3)."""
    smooth = Image.fromarray(image).filter(ImageFilter.BoxBlur((side - 1) / 2))
    detail: Float32 = image.astype(np.float32) - np.asarray(smooth, np.float32)
    return detail


def _roughness(energy: Float32, known: Float32) -> Float32:
    """Return the logarithm of the roughness of 3 x 3 cells, continued to where none is known."""
    near, share = (
        sliding_window_view(np.pad(a, 1, mode="edge"), (3, 3)).mean(axis=(2, 3))
        for a in (energy, known)
    )
    deviation = np.sqrt(near / np.maximum(share, 1e-6)) + _LEAST_ROUGHNESS
    roughness: Float32 = np.log(deviation).astype(np.float32)
    unknown = share < _LEAST_KNOWN
    if unknown.any() and not unknown.all():
        continuation = HarmonicContinuation(unknown)
        scale = np.float32(32)  # to 8-bit values, which the solver is made for
        values = scale * roughness.reshape(-1, 1)[continuation.rim]
        roughness[unknown] = continuation.solve(values)[:, 0] / scale
    return roughness


def _blocks(described: Float32, corners: npt.NDArray[np.intp]) -> Float32:
    """Return the descriptions of the cells of each block, a row for each."""
    windows = sliding_window_view(described, (_BLOCK, _BLOCK), axis=(0, 1))
    return windows[corners[:, 0], corners[:, 1]].reshape(len(corners), -1)


def _nearest(asked: Float32, known: Float32, corners: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return for each of (Q, D) the index of the nearest of (K, D), up to the jitter, (Q,).

    ``corners`` (K, 2) are the first cells of the known blocks.
    """
    squares = np.square(known).sum(axis=1)
    random = np.random.default_rng(seed=0)
    nearest = np.empty(len(asked), np.intp)
    copied = np.zeros(corners.max(axis=0) + _BLOCK, np.float32)  # how often, by first cell
    for i, row in enumerate(asked):  # a matrix of all would be large
        distances = squares - 2 * (known @ row) + np.square(row).sum()
        logarithms = np.log(np.maximum(distances, 0) / _BLOCK**2 + 1e-3)
        logarithms += _JITTER * random.random(len(known), np.float32)
        logarithms += _REPEAT * copied[corners[:, 0], corners[:, 1]]
        nearest[i] = logarithms.argmin()
        y, x = corners[nearest[i]]
        overlap = (
            slice(max(y - _BLOCK + 1, 0), y + _BLOCK),
            slice(max(x - _BLOCK + 1, 0), x + _BLOCK),
        )
        copied[overlap] += 1
    return nearest


def _paste(image: Uint8, result: Uint8, weight: Float32, cells: _Cells, unit: int) -> None:
    """Add the detail of all known blocks to those to fill, in strips of one row of blocks."""
    sources, targets = cells.matches()
    if not len(targets):
        return
    cell = _CELL * unit
    side, half = _BLOCK * cell, _BLOCK * cell // 2
    roughness = np.pad(cells.roughness, _BLOCK, mode="edge")
    ramp = np.sin(np.pi * (np.arange(side) + 0.5) / side).astype(np.float32)
    bell = ramp[:, None] * ramp  # the squares of overlapping blocks add up to 1
    strip = np.zeros((side, result.shape[1] + 2 * side, 3), np.float32)
    pairs = list(zip(sources.tolist(), targets.tolist(), strict=True))
    for row in range(-_BLOCK // 2, -(-len(result) // cell), _BLOCK // 2):
        for source, target in pairs:
            if target[0] != row:
                continue
            (y, x), left = (at * cell for at in source), target[1] * cell + side
            detail = _detail(
                np.ascontiguousarray(image[y : y + side, x : x + side]), _FILTER * unit
            )
            factors = _factors(roughness, source, target)
            factor = np.kron(factors, np.ones((cell, cell), np.float32)) * bell
            strip[:, left : left + side] += factor[..., None] * detail
        _add(strip[:half, side:-side], result, weight, row * cell, unit)
        strip[:half] = strip[half:]
        strip[half:] = 0


def _factors(roughness: Float32, source: list[int], target: list[int]) -> Float32:
    """Return the scale of each cell's detail in a block; both corners are padded."""
    (y, x), (top, left) = ([at + _BLOCK for at in corner] for corner in (source, target))
    expected = roughness[top : top + _BLOCK, left : left + _BLOCK]
    there = roughness[y : y + _BLOCK, x : x + _BLOCK]
    factors: Float32 = np.minimum(np.exp(expected - there), _STRONGEST)
    return factors


def _add(strip: Float32, result: Uint8, weight: Float32, top: int, unit: int) -> None:
    """Add a strip to the result, from a row on; what lies outside of the image is dropped."""
    rows = slice(max(top, 0), min(top + len(strip), len(result)))
    share = weight[rows.start // unit : rows.stop // unit].repeat(unit, axis=0)
    columns = np.flatnonzero(share.any(axis=0))
    if columns.size == 0:
        return
    inner = slice(columns[0] * unit, (columns[-1] + 1) * unit)
    share = share[:, columns[0] : columns[-1] + 1].repeat(unit, axis=1)
    texture = strip[rows.start - top : rows.stop - top, inner] * share[..., None]
    texture += result[rows, inner]
    result[rows, inner] = np.clip(np.rint(texture, out=texture), 0, 255, out=texture)
