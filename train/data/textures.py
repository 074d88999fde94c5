"""Textures of the leaves of drawn images: stripes, gradients, and noise of natural spectra.

Letters: S side of the image in pixels, L leaves.
"""

import functools
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_BANK_SIDE: Final = 512  # px; a power of two, so that coordinates wrap by a mask
# Amplitudes fall with the frequency to these powers: from sand, over the 1 of natural images,
# to clouds.
_EXPONENTS: Final = (0.5, 1.0, 1.5)
_BANK_SEED: Final = 1987  # the bank is the same always; Field (1987) found the 1/f of photographs


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
    """Draw the texture of each leaf.

    Args:
        x: (L,) middle, px.
        y: (L,).
        radius: (L,), px.
        rng: source of all randomness.

    Returns:
        The parameters.
    """
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
    """Compute the texture of each pixel.

    Args:
        textures: of the leaves.
        labels: (S, S), which leaf is seen.

    Returns:
        (S, S), mostly in [-1, 1].
    """
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
    """Return fields of noise whose amplitudes fall with a power of the frequency.

    Returns:
        (3, 512, 512), periodic, each with mean 0 and standard deviation 1/2, clipped to [-1, 1].
    """
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
