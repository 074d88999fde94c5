"""Tints move the colours of a whole image together."""

import numpy as np
from csakit.train.data.tint import tint
from helpers.pictures import gradient


class Fixed(np.random.Generator):
    """Draws what it is told."""

    def __init__(self, own: float, colour: list[float]) -> None:
        super().__init__(np.random.PCG64(0))
        self._answers = [own, 1.0, 0.0, np.array(colour)]  # own share, gain, shift, colour

    def uniform(self, *_: object) -> object:  # type: ignore[override]
        return self._answers.pop(0)


def test_with_all_of_its_own_colour_an_image_stays() -> None:
    image = gradient(20, 20)

    changed = tint(image, Fixed(1.0, [1.4, 0.6, 1.0])).astype(int) - image

    assert np.abs(changed).max() <= 1  # rounding


def test_with_none_it_has_one_hue() -> None:
    tinted = tint(gradient(20, 20), Fixed(0.0, [1.0, 0.5, 0.0])).astype(int)

    assert (tinted[..., 2] == 0).all()
    assert np.abs(tinted[..., 0] - 2 * tinted[..., 1]).max() <= 2
    assert tinted[..., 0].std() > 20


def test_tints_differ_by_seed_and_stay_in_range() -> None:
    image = gradient(64, 64)

    tints = [tint(image, np.random.default_rng(seed)) for seed in range(8)]

    assert all(one.dtype == np.uint8 and one.shape == image.shape for one in tints)
    assert len({one.tobytes() for one in tints}) == 8
    np.testing.assert_array_equal(tints[3], tint(image, np.random.default_rng(3)))
