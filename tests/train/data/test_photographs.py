"""scikit-image's photographs: training ones are augmented, held-out ones are as they are."""

import sys

import numpy as np
import pytest
import skimage.data
from csakit.plugins.errors import LibraryError
from csakit.train.data import photographs
from csakit.train.data.photographs import HELD_OUT, TRAINED_ON, Photographs


def test_no_photograph_is_trained_on_and_held_out() -> None:
    assert not {*HELD_OUT} & {*TRAINED_ON}
    train, val = Photographs("train"), Photographs("val")
    assert [train.name(index) for index in range(len(train))] == [*TRAINED_ON]
    assert [val.name(index) for index in range(len(val))] == ["chelsea", "coffee"]


def test_held_out_photographs_are_their_middle_unchanged() -> None:
    square = Photographs("val").load(0, 256, np.random.default_rng(0))

    np.testing.assert_array_equal(square, skimage.data.chelsea()[22:278, 98:354])


@pytest.mark.parametrize("index", range(len(TRAINED_ON)))
def test_training_photographs_are_never_the_same_twice(index: int) -> None:
    train = Photographs("train")

    squares = [train.load(index, 256, np.random.default_rng(seed)) for seed in (1, 2, 1)]

    assert squares[0].shape == (256, 256, 3)
    np.testing.assert_array_equal(squares[0], squares[2])
    assert np.abs(squares[0].astype(int) - squares[1]).mean() > 5
    assert all(square.std() > 3 for square in squares)


def test_without_scikit_image_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs._photograph.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)

    with pytest.raises(LibraryError, match="pip install scikit-image"):
        Photographs("train")
