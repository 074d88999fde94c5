"""Squares are cut where and as large as the framing says, whatever the picture's size."""

import numpy as np
import pytest
from csakit.train.data.framing import Cut, Framing, cut_out, least_side, tint
from helpers.pictures import gradient
from PIL import Image

FULL = Cut(share=1.0, pixels=None, across=0.5, down=0.5, flip=False, quarter_turns=0)


def test_the_middle_square_of_the_shorter_side_is_scaled() -> None:
    picture = Image.fromarray(gradient(178, 218))

    square = cut_out(picture, 89, FULL)

    wanted = picture.crop((0, 20, 178, 198)).resize((89, 89), Image.Resampling.BOX)
    inside = (slice(2, -2), slice(2, -2))  # the filters differ where they reach beyond the edge
    difference = np.abs(square[inside].astype(int) - np.asarray(wanted)[inside])
    assert square.shape == (89, 89, 3)
    assert difference.max() <= 1


def test_squares_of_pixels_are_not_scaled() -> None:
    pixels = gradient(400, 300)

    square = cut_out(Image.fromarray(pixels), 256, FULL._replace(pixels=256.0, across=1.0, down=0))

    np.testing.assert_array_equal(square, pixels[:256, 144:])


def test_a_smaller_result_sees_as_much_of_the_picture() -> None:
    cut = FULL._replace(pixels=256.0)
    picture = Image.fromarray(gradient(512, 512))

    small, large = cut_out(picture, 64, cut), cut_out(picture, 512, cut)

    assert small[:, -1, 0].mean() == pytest.approx(255 * 0.75, abs=2)  # the middle half
    assert large[:, -1, 0].mean() == pytest.approx(255, abs=1)  # 256 x 2: all of it


@pytest.mark.parametrize("cut", [FULL, FULL._replace(pixels=256.0), FULL._replace(share=0.5)])
@pytest.mark.parametrize("sides", [(20, 30), (1, 1), (256, 20)])
def test_small_pictures_are_enlarged(cut: Cut, sides: tuple[int, int]) -> None:
    square = cut_out(Image.fromarray(gradient(*sides)), 256, cut)

    assert square.shape == (256, 256, 3)


def test_a_square_is_not_smaller_than_the_result_if_the_picture_is_not() -> None:
    pixels = gradient(100, 80)

    square = cut_out(Image.fromarray(pixels), 64, FULL._replace(share=0.1, across=0, down=0))

    np.testing.assert_array_equal(square, pixels[:64, :64])


def test_pictures_are_mirrored_and_turned() -> None:
    pixels = gradient(64, 64)
    picture = Image.fromarray(pixels)

    mirrored = cut_out(picture, 64, FULL._replace(flip=True))
    turned = cut_out(picture, 64, FULL._replace(quarter_turns=1))

    np.testing.assert_array_equal(mirrored, pixels[:, ::-1])
    np.testing.assert_array_equal(turned, np.rot90(pixels))


@pytest.mark.parametrize("share", [1.0, 0.7, 0.5])
def test_a_reduced_picture_still_has_the_pixels_of_the_result(share: float) -> None:
    cut = FULL._replace(share=share)

    least = least_side(cut, 256)

    assert least is not None
    assert round(share * least) >= 256 > round(share * (least - 2))
    assert least_side(FULL._replace(pixels=300.0), 256) is None


def test_draws_are_within_the_ranges_and_use_them(rng: np.random.Generator) -> None:
    framing = Framing(where="random", share=(0.5, 1.0), flip=True, turn=True)

    cuts = [framing.draw(rng) for _ in range(200)]

    assert 0.5 <= min(cut.share for cut in cuts) < 0.52
    assert 0.98 < max(cut.share for cut in cuts) <= 1
    assert max(cut.across for cut in cuts) - min(cut.across for cut in cuts) > 0.95
    assert {cut.flip for cut in cuts} == {True, False}
    assert {cut.quarter_turns for cut in cuts} == {0, 1, 2, 3}


def test_thirds_are_left_middle_and_right(rng: np.random.Generator) -> None:
    cuts = [Framing(where="thirds").draw(rng) for _ in range(50)]

    assert {cut.across for cut in cuts} == {0.0, 0.5, 1.0}


def test_the_fixed_form_draws_always_the_same(rng: np.random.Generator) -> None:
    framing = Framing(
        where="random", share=(0.2, 0.4), pixels=(100.0, 500.0), flip=True, turn=True
    ).fixed()

    assert {framing.draw(rng) for _ in range(20)} == {FULL._replace(pixels=256.0)}


@pytest.mark.parametrize("sides", [(100, 40), (32, 32), (10, 90)])
def test_a_whole_picture_is_stretched(sides: tuple[int, int], rng: np.random.Generator) -> None:
    cut = Framing(where="whole").draw(rng)

    square = cut_out(Image.fromarray(gradient(*sides)), 32, cut)

    assert square[0, -1, :2].tolist() == pytest.approx([255, 0], abs=16)
    assert square[-1, 0, :2].tolist() == pytest.approx([0, 255], abs=16)
    assert Framing(where="whole", flip=True).fixed().draw(rng) == cut


def test_every_framing_advances_the_generator_by_as_much() -> None:
    framings = [
        *(Framing(), Framing(where="thirds", flip=True), Framing(where="random", turn=True)),
        Framing(pixels=(100.0, 200.0)),
    ]
    after = []
    for framing in framings:
        rng = np.random.default_rng(4)
        framing.draw(rng)
        after.append(rng.integers(2**63))

    assert len({*after}) == 1


def test_even_shares_are_as_often_below_their_geometric_mean_as_above(
    rng: np.random.Generator,
) -> None:
    framing = Framing(where="random", share=(0.25, 1.0), even=True)

    shares = np.array([framing.draw(rng).share for _ in range(400)])

    assert 0.25 <= shares.min() < 0.27
    assert 0.95 < shares.max() <= 1
    assert 0.42 < (shares < 0.5).mean() < 0.58


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
