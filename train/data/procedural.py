"""Procedural images with the statistics of photographs: overlapping textured shapes.

"Dead leaves" with radii of density r^-3: Lee, Mumford and Huang, IJCV 41, 2001; with textures:
Achddou, Gousseau and Ladjal, SSVM 2021. Letters: S side of the image in pixels, L leaves.
"""

import functools
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from .framing import tint
from .protocols import Pixels

Float32 = npt.NDArray[np.float32]

TRAIN_LENGTH: Final = 10_000  # of an epoch; every epoch draws others
VAL_LENGTH: Final = 64
_LEAVES: Final = (80, 256)  # at most the number of 8-bit labels
_SMALLEST: Final = (1 / 100, 1 / 25)  # range of an image's smallest radius over its side
_LARGEST: Final = 0.5
_OUTLINE: Final = 24  # points; 3, 4, 6 and 8 divide it, so that corners are among them
_CORNERS: Final = (3, 4, 6, 8)
_BANK_SIDE: Final = 512  # px; a power of two, so that coordinates wrap by a mask
# Amplitudes fall with the frequency to these powers: from sand, over the 1 of natural images,
# to clouds.
_EXPONENTS: Final = (0.5, 1.0, 1.5)
_BANK_SEED: Final = 1987  # fixed; Field (1987) found the 1/f of photographs


class DeadLeaves:
    """An endless set of drawn images, ``length`` of which count as an epoch."""

    def __init__(self, length: int = TRAIN_LENGTH) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def name(self, index: int) -> str:
        return f"procedural-{index:05d}"

    def load(self, index: int, size: int, rng: np.random.Generator) -> Pixels:
        return dead_leaves(size, rng)

    def summary(self) -> dict[str, Any]:
        return {"kind": "procedural", "images": None}


def dead_leaves(size: int, rng: np.random.Generator) -> Pixels:
    """Draw an (S, S, 3) image."""
    leaves = int(rng.integers(*_LEAVES))
    radius = _radii(leaves, rng) * np.float32(size)
    x, y = rng.uniform(0, size, (2, leaves)).astype(np.float32)
    colours = _palette(leaves, rng)
    labels = _draw(_outlines(x, y, radius, rng), colours, size)
    smooth = np.asarray(labels.convert("RGB").reduce(2), dtype=np.float32)
    seen = np.asarray(labels)[::2, ::2]
    texture = paint(draw_textures(x, y, radius, rng), seen)
    second = np.roll(colours, 1, axis=0).astype(np.float32) - colours  # textures mix two colours
    contrast = (rng.uniform(0.1, 0.7, (leaves, 1)) * second).astype(np.float32)
    # Beside the second colour, lighter and darker shades.
    relief = rng.uniform(5, 45, (leaves, 1)).astype(np.float32)
    painted = smooth + texture[..., None] * (contrast + relief)[seen]
    painted *= _light(size, rng)[..., None]
    return tint(_photographed(painted, rng), rng)


def _radii(leaves: int, rng: np.random.Generator) -> Float32:
    """Draw radii of density r^-3 over the side of the image: each octave covers the same area."""
    least = rng.uniform(*_SMALLEST)
    share = rng.random(leaves)
    radii = (least**-2 + share * (_LARGEST**-2 - least**-2)) ** -0.5
    radii[0] = 2 * _LARGEST  # the background, drawn first
    return radii.astype(np.float32)


def _palette(leaves: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw the (L, 3) colours of one image: random grey levels, hues around two random ones."""
    middle, spread = rng.uniform(60, 140), rng.uniform(40, 130)  # dark or pale, soft or hard
    grey = middle + rng.uniform(-spread, spread, (leaves, 1))
    hues = rng.normal(0, rng.uniform(5, 45), (2, 3))
    hues -= hues.mean(axis=1, keepdims=True)
    share = rng.random((leaves, 1))
    stray = rng.normal(0, 8, (leaves, 3))
    colours = grey + share * hues[0] + (1 - share) * hues[1] + stray
    return np.asarray(np.clip(colours, 0, 255), dtype=np.uint8)


def _outlines(x: Float32, y: Float32, radius: Float32, rng: np.random.Generator) -> Float32:
    """Draw the outlines of the leaves, (L, points, 2): rotated ellipses, polygons, bars."""
    leaves = len(x)
    angle = np.linspace(0, 2 * np.pi, _OUTLINE, endpoint=False, dtype=np.float32)
    corners = rng.choice(_CORNERS, leaves)[:, None]
    wedge = 2 * np.pi / corners
    polygon = np.cos(wedge / 2) / np.cos(angle % wedge - wedge / 2)
    distance = np.where(rng.random((leaves, 1)) < 0.5, 1.0, polygon)
    flat = rng.uniform(0.3, 1.0, (leaves, 1))
    bar = rng.random((leaves, 1)) < 0.15  # long and thin, as poles and branches
    flat = np.where(bar, rng.uniform(0.03, 0.15, (leaves, 1)), flat)
    stretch = np.where(bar, 2.5, flat**-0.5)  # an ellipse keeps the area of its circle
    along = distance * np.cos(angle) * stretch * radius[:, None]
    aside = distance * np.sin(angle) * stretch * flat * radius[:, None]
    turn = rng.uniform(0, 2 * np.pi, (leaves, 1))
    outline = np.stack(
        [
            x[:, None] + np.cos(turn) * along - np.sin(turn) * aside,
            y[:, None] + np.sin(turn) * along + np.cos(turn) * aside,
        ],
        axis=-1,
    )
    return outline.astype(np.float32)


def _draw(outlines: Float32, colours: npt.NDArray[np.uint8], size: int) -> Image.Image:
    """Draw the leaves in order, colours as palette; (2S, 2S), as Pillow does not antialias."""
    canvas = Image.new("P", (2 * size, 2 * size))
    canvas.putpalette(colours.tobytes())
    pen = ImageDraw.Draw(canvas)
    for label, points in enumerate((2 * outlines).reshape(len(outlines), -1).tolist()):
        if label:  # 0 is the background
            pen.polygon(points, fill=label)
    return canvas


def _light(size: int, rng: np.random.Generator) -> Float32:
    """Draw soft light and shadow over the whole image, (S, S), around 1."""
    top, left = (int(v) for v in rng.integers(0, 128, 2))
    field = noise_bank()[-1, top : top + 64, left : left + 64]
    soft = Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC)
    slope = np.linspace(-1, 1, size, dtype=np.float32)
    across, down = rng.uniform(-0.15, 0.15, 2).astype(np.float32)
    amount = np.float32(rng.uniform(0, 0.3))
    light: Float32 = 1 + amount * np.asarray(soft)
    light += across * slope[None, :] + down * slope[:, None]
    return light


def _photographed(image: Float32, rng: np.random.Generator) -> Pixels:
    """Add blur of a lens and noise of a sensor; return (S, S, 3) uint8."""
    blur, grain = rng.uniform(-0.1, 0.25), rng.uniform(-2, 6)  # weight, grey levels
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32)
    bytes_ = np.clip(image, 0, 255).astype(np.uint8)
    if blur > 0:  # a third have none
        row = np.array([blur, 1 - 2 * blur, blur])
        kernel = ImageFilter.Kernel((3, 3), np.outer(row, row).ravel().tolist(), scale=1)
        bytes_ = np.asarray(Image.fromarray(bytes_).filter(kernel))
    if grain <= 0:
        return bytes_
    grained = bytes_ + np.float32(grain) * noise[..., None]
    return np.asarray(np.clip(grained, 0, 255), dtype=np.uint8)


class Textures(NamedTuple):
    """Parameters of L textures, each (L,). A texture is a sum of three waves in [-1, 1]."""

    x: Float32  # middle of the leaf, px
    y: Float32
    cosine: Float32  # of its direction, divided by its radius in px
    sine: Float32
    stripes: Float32  # weights
    gradient: Float32
    noise: Float32
    frequency: Float32  # of stripes, radians over the radius
    sharpness: Float32  # of stripes: 1 is a sine, much is black and white
    zoom: Float32  # steps in the noise for each radius
    offset: npt.NDArray[np.int32]  # in the noise
    field: npt.NDArray[np.int32]  # which noise


def draw_textures(x: Float32, y: Float32, radius: Float32, rng: np.random.Generator) -> Textures:
    """Draw the texture of each leaf; middles and radii are (L,), in pixels."""
    leaves = len(x)

    def uniform(low: float, high: float) -> Float32:
        return rng.uniform(low, high, leaves).astype(np.float32)

    angle = uniform(0, 2 * np.pi)
    cosine = (np.cos(angle) / radius).astype(np.float32)
    sine = (np.sin(angle) / radius).astype(np.float32)
    period = uniform(0.7, 3.0) ** 3  # 0.3 to 27 px
    return Textures(
        x=x,
        y=y,
        cosine=cosine,
        sine=sine,
        # A third are striped, half shaded, most rough; some are plain.
        stripes=uniform(0, 1) * (rng.random(leaves) < 0.3),
        gradient=uniform(-1, 1) * (rng.random(leaves) < 0.5),
        noise=uniform(0.1, 0.9) * (rng.random(leaves) < 0.9),
        frequency=(2 * np.pi * radius / (period + 3)).astype(np.float32),
        sharpness=uniform(0.5, 2.0) ** 3,
        zoom=(radius * uniform(0.3, 1.2)).astype(np.float32),
        offset=rng.integers(0, _BANK_SIDE**2, leaves, dtype=np.int32),
        field=rng.integers(0, len(_EXPONENTS), leaves, dtype=np.int32),
    )


def paint(textures: Textures, labels: npt.NDArray[np.uint8]) -> Float32:
    """Compute the texture of each pixel, mostly in [-1, 1]; labels, (S, S), name the leaf."""
    grid = np.arange(len(labels), dtype=np.float32)
    leaf = labels.astype(np.intp)  # once, not in each of the look-ups

    def look_up(values: Float32) -> Float32:
        return np.take(values, leaf)

    cosine, sine = look_up(textures.cosine), look_up(textures.sine)
    middle_along = look_up(textures.cosine * textures.x + textures.sine * textures.y)
    middle_aside = look_up(textures.cosine * textures.y - textures.sine * textures.x)
    along = cosine * grid[None, :] + sine * grid[:, None] - middle_along  # in radii
    aside = cosine * grid[:, None] - sine * grid[None, :] - middle_aside
    waves = np.sin(along * look_up(textures.frequency)) * look_up(textures.sharpness)
    painted: Float32 = np.clip(waves, -1, 1) * look_up(textures.stripes)
    painted += np.clip(along, -1, 1) * look_up(textures.gradient)
    zoom, offset = look_up(textures.zoom), np.take(textures.offset, leaf)
    column = ((along * zoom).astype(np.int32) + offset) & (_BANK_SIDE - 1)
    row = ((aside * zoom).astype(np.int32) + offset // _BANK_SIDE) & (_BANK_SIDE - 1)
    place = (np.take(textures.field, leaf) * _BANK_SIDE + row) * _BANK_SIDE + column
    painted += np.take(noise_bank().reshape(-1), place) * look_up(textures.noise)
    return painted


@functools.cache
def noise_bank() -> Float32:
    """Return three periodic fields of noise, (3, 512, 512), clipped, of standard deviation 1/2."""
    rng = np.random.default_rng(_BANK_SEED)
    down = np.fft.fftfreq(_BANK_SIDE)[:, None]
    across = np.fft.rfftfreq(_BANK_SIDE)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf  # no mean
    fields = []
    for exponent in _EXPONENTS:
        spectrum = np.fft.rfft2(rng.standard_normal((_BANK_SIDE, _BANK_SIDE)))
        field = np.fft.irfft2(spectrum / frequency**exponent, s=(_BANK_SIDE, _BANK_SIDE))
        fields.append(np.clip(field / (2 * field.std()), -1, 1))
    return np.stack(fields).astype(np.float32)
