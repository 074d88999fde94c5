"""Mixtures give each part its share, and each image its turn."""

from collections import Counter

import numpy as np
import pytest
from csakit.train.data.mixture import Mixture
from csakit.train.data.procedural import DeadLeaves
from csakit.train.data.protocols import describe


class Numbered:
    """A source that knows what was asked of it."""

    def __init__(self, letter: str, count: int) -> None:
        self.letter, self.count = letter, count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        assert 0 <= index < self.count
        return f"{self.letter}{index}"

    def load(self, index: int, size: int, rng: np.random.Generator) -> np.ndarray:
        return np.full((size, size, 3), ord(self.letter) + index, dtype=np.uint8)


@pytest.mark.parametrize("shares", [[0.7, 0.3], [7, 3]])
def test_every_image_comes_and_parts_have_their_shares(shares: list[float]) -> None:
    mixture = Mixture([Numbered("a", 70), Numbered("b", 10)], shares)

    names = Counter(mixture.name(index) for index in range(len(mixture)))

    assert len(mixture) == 100
    assert {names[f"a{index}"] for index in range(70)} == {1}
    assert {names[f"b{index}"] for index in range(10)} == {3}


def test_endless_parts_fill_up_their_share() -> None:
    mixture = Mixture([DeadLeaves(10_000), Numbered("a", 6)], [0.25, 0.75])

    names = [mixture.name(index) for index in range(len(mixture))]

    assert names == ["procedural-00000", "procedural-00001", *(f"a{i}" for i in range(6))]


def test_images_come_from_the_part_they_are_named_after(rng: np.random.Generator) -> None:
    mixture = Mixture([Numbered("a", 4), Numbered("q", 4)], [1, 1])

    for index in range(len(mixture)):
        letter, number = mixture.name(index)
        assert (mixture.load(index, 2, rng) == ord(letter) + int(number)).all()


def test_a_part_of_the_smallest_share_still_comes() -> None:
    mixture = Mixture([Numbered("a", 3), DeadLeaves(10)], [0.999, 0.001])

    assert [mixture.name(index) for index in range(len(mixture))].count("procedural-00000") == 1


def test_a_mixture_describes_its_parts() -> None:
    summary = describe(Mixture([DeadLeaves(10), Numbered("a", 3)], [1, 3]))

    assert summary == {
        "kind": "mixture",
        "parts": [
            {"share": 0.25, "kind": "procedural", "images": None},
            {"share": 0.75, "kind": "Numbered"},
        ],
    }
