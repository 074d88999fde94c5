"""Drawn images have the statistics of photographs, measured as photographs are."""

import numpy as np
import pytest
from csakit.train.data import open_images
from csakit.train.data.procedural import DeadLeaves, dead_leaves, draw_textures, noise_bank, paint


def grey(image: np.ndarray) -> np.ndarray:
    return image.astype(float).mean(axis=2)


def spectral_slope(image: np.ndarray) -> float:
    """How the power falls with the frequency f: as f^slope, from 4 to 80 waves an image."""
    level = grey(image)
    side = len(level)
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.abs(np.fft.fft2((level - level.mean()) * window)) ** 2
    waves = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)) * side
    bands = np.arange(4, 81)
    means = [power[(waves >= band - 0.5) & (waves < band + 0.5)].mean() for band in bands]
    return float(np.polyfit(np.log(bands), np.log(means), 1)[0])


def kurtosis(image: np.ndarray) -> float:
    """Of differences of neighbours: 3 for Gaussian noise, far more for few and sharp edges."""
    steps = np.diff(grey(image), axis=1).ravel()
    return float(((steps - steps.mean()) ** 4).mean() / steps.var() ** 2)


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    return [dead_leaves(256, np.random.default_rng(seed)) for seed in range(40)]


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    source = open_images("scikit-image", split="all")
    return [source.load(index, 256, np.random.default_rng(0)) for index in range(len(source))]


def test_power_falls_with_the_frequency_as_in_photographs(
    drawn: list[np.ndarray], photographs: list[np.ndarray]
) -> None:
    slopes = [spectral_slope(image) for image in drawn]
    real = [spectral_slope(image) for image in photographs]

    # Large collections of photographs have -2 on average; these 11, cut to 256, have -2.6.
    assert np.mean(real) - 0.5 < np.mean(slopes) < -2
    assert np.std(slopes) < 2 * np.std(real)
    assert max(slopes) < -1
    assert spectral_slope(np.random.default_rng(0).integers(0, 256, (256, 256, 3))) > -0.3


def test_edges_are_few_and_sharp_as_in_photographs(
    drawn: list[np.ndarray], photographs: list[np.ndarray]
) -> None:
    middle = np.median([kurtosis(image) for image in drawn])
    real = [kurtosis(image) for image in photographs]

    assert min(real) < middle < max(real)
    assert middle > 6


def test_images_are_neither_flat_nor_alike(drawn: list[np.ndarray]) -> None:
    assert len({image.tobytes() for image in drawn}) == len(drawn)
    assert min(grey(image).std() for image in drawn) > 5
    burnt = [np.isin(image, (0, 255)).mean() for image in drawn]
    assert np.median(burnt) < 0.02
    brightness = [image.mean() for image in drawn]
    assert max(brightness) - min(brightness) > 80


@pytest.mark.parametrize("size", [64, 256, 320])
def test_the_generator_alone_decides(size: int) -> None:
    source = DeadLeaves(5)

    one, same, other = (
        source.load(index, size, np.random.default_rng(seed))
        for index, seed in ((0, 3), (4, 3), (0, 4))
    )

    assert one.shape == (size, size, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.5


def test_noise_has_the_spectra_it_should() -> None:
    found = [spectral_slope(np.repeat(field[..., None], 3, axis=2)) for field in noise_bank()]

    assert found == pytest.approx([-1, -2, -3], abs=0.15)  # twice the exponents of amplitudes


def test_textures_are_painted_for_the_leaf_that_is_seen(rng: np.random.Generator) -> None:
    x, y, radius = (np.full(3, value, dtype=np.float32) for value in (32, 32, 20))
    textures = draw_textures(x, y, radius, rng)
    plain = np.zeros(3, dtype=np.float32)
    weights = np.array([0, 0, 1], dtype=np.float32)
    textures = textures._replace(stripes=plain, noise=plain, gradient=weights)
    textures = textures._replace(cosine=np.float32([1, 1, 1]) / 20, sine=plain)
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[:, 32:] = 2

    painted = paint(textures, labels)

    assert (painted[:, :32] == 0).all()
    np.testing.assert_allclose(painted[5, 32:52], np.arange(20) / 20, atol=1e-6)
    assert (painted[:, 53:] == 1).all()


def test_pictures_stay_those_that_the_demo_weights_were_trained_on() -> None:
    picture = dead_leaves(64, np.random.default_rng(1987))

    # Of blocks of 16 pixels, not a hash: the last bit of a sine differs between processors.
    levels = picture.reshape(4, 16, 4, 16, 3).mean(axis=(1, 3, 4))
    wanted = [
        [142.73, 124.91, 117.64, 116.62],
        [164.21, 157.78, 118.84, 104.35],
        [149.43, 128.67, 110.62, 88.55],
        [107.06, 106.41, 102.18, 83.48],
    ]
    np.testing.assert_allclose(levels, wanted, atol=0.05)
